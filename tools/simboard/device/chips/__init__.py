"""The board's chips as register-level models, written from their data sheets."""
