// Notes of a device, as ../journaling.py writes them: one JSON line each, in one write at once: a killed process
// loses half a line at most.

import { openSync, writeSync } from 'node:fs';

export class Notes {
  #file;

  constructor(file) {
    this.#file = openSync(file, 'a');
  }

  // Note something that happened just now.
  write(kind, facts = {}) {
    writeSync(this.#file, Buffer.from(`${JSON.stringify({ t: Date.now() / 1000, kind, ...facts })}\n`));
  }
}
