// Run a script on MicroPython's WebAssembly port: a real 32-bit MicroPython, like the boards.
//
//     node micropython32.mjs MODULE.mjs [-X heapsize=512k] SCRIPT [ARGUMENT...]
//
// Modules are searched in the folders of MICROPYPATH, as on the unix build. The port has a file
// system in memory only: those folders, and the working folder, are copied into it. What a
// script writes is gone when it ends. Exit status: 0, that of SystemExit, or 1 on an exception.

import * as fs from "node:fs";
import * as path from "node:path";
import { pathToFileURL } from "node:url";

const MOST_FILE_BYTES = 4 << 20; // a test copies sources and small data, not recordings

function parse(words) {
  let heapBytes = 1 << 20;
  while (words[0] === "-X") {
    const match = /^heapsize=(\d+)k$/.exec(words[1] ?? "");
    if (!match) throw new Error(`not understood: -X ${words[1]}`);
    heapBytes = Number(match[1]) * 1024;
    words = words.slice(2);
  }
  const [script, ...rest] = words;
  if (script === undefined) throw new Error("no script given");
  return { heapBytes, script, rest };
}

function copyIn(memory, folder) {
  memory.mkdirTree(folder);
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    if (entry.name.startsWith(".") || entry.name === "__pycache__") continue;
    const name = path.join(folder, entry.name);
    if (entry.isDirectory()) copyIn(memory, name);
    else if (entry.isFile() && fs.statSync(name).size <= MOST_FILE_BYTES)
      memory.writeFile(name, fs.readFileSync(name));
  }
}

// Collects what the script prints and writes it in large pieces, without splitting a character.
function writer(descriptor) {
  let held = [];
  const flush = () => {
    const data = Buffer.concat(held);
    held = [];
    for (let at = 0; at < data.length; ) at += fs.writeSync(descriptor, data, at);
  };
  const write = (bytes) => {
    held.push(Buffer.from(bytes));
    if (held.length >= 4096) flush();
  };
  return { write, flush };
}

function exitStatus(error) {
  if (error.name !== "PythonError") throw error;
  if (error.type !== "SystemExit") return 1;
  const code = /SystemExit: *(-?\d+)?\s*$/.exec(error.message.trim());
  return code ? Number(code[1] ?? 0) & 0xff : 1;
}

const [moduleFile, ...words] = process.argv.slice(2);
const { heapBytes, script, rest } = parse(words);
const { loadMicroPython } = await import(pathToFileURL(moduleFile));
const out = writer(1);
const micropython = await loadMicroPython({
  heapsize: heapBytes,
  pystack: 16384,
  linebuffer: false,
  stdout: out.write,
});

const folders = (process.env.MICROPYPATH ?? "").split(":").filter((name) => name.startsWith("/"));
const scriptFile = path.resolve(script);
for (const folder of new Set([...folders, process.cwd()])) copyIn(micropython.FS, folder);
micropython.FS.chdir(process.cwd());

const list = (strings) => JSON.stringify(strings); // a JSON list of strings is a Python list
micropython.runPython(
  `import sys\nsys.path[:] = ${list([path.dirname(scriptFile), ...folders])}\n` +
    `sys.argv[:] = ${list([script, ...rest])}\ndel sys`,
);
let status = 0;
try {
  micropython.runPython(fs.readFileSync(scriptFile, "utf-8"));
} catch (error) {
  status = exitStatus(error);
  out.flush();
  if (error.type !== "SystemExit") fs.writeSync(2, error.message);
}
out.flush();
process.exitCode = status;
