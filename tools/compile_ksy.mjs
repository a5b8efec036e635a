// Compile protocol/dewarlog.ksy to a Python reader.
//
//     node compile_ksy.mjs NODE_MODULES
//
// Prints JSON: `ksy`, the description as data, and `python`, the reader's source. NODE_MODULES holds
// kaitai-struct-compiler and js-yaml (tools/setup gets them).

import * as fs from "node:fs";
import * as path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.resolve(process.argv[2], "x"));
const yaml = require("js-yaml");
const exported = require("kaitai-struct-compiler");
const compiler = typeof exported === "function" ? new exported() : exported;

const source = new URL("../protocol/dewarlog.ksy", import.meta.url);
const ksy = yaml.load(fs.readFileSync(source, "utf-8"));
const files = await compiler.compile("python", ksy, null, false);
process.stdout.write(JSON.stringify({ ksy, python: files["dewarlog.py"] }));
