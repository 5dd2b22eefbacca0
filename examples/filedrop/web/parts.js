// What has come of a file, in parts of 8 MiB: in the browser's private file system where there
// is one, so that it takes no memory and a page that is opened again goes on; else in memory.

const PART = 8 << 20;

export class Parts {
  length = 0; // bytes of the file that are here
  #folder = null; // of the private file system, or null
  #whole = []; // Blobs of PART bytes
  #open = []; // arrays that are no whole part yet
  #opened = 0; // their bytes

  /** Goes on with what an earlier page has stored of the file, and forgets other files. */
  static async open(sha256, size) {
    const parts = new Parts();
    try {
      const root = await navigator.storage.getDirectory();
      for await (const name of root.keys()) {
        if (name.startsWith('filedrop-') && name !== `filedrop-${sha256}`) await root.removeEntry(name, { recursive: true }).catch(() => {});
      }
      parts.#folder = await root.getDirectoryHandle(`filedrop-${sha256}`, { create: true });
      while (parts.length + PART <= size) {
        const blob = await (await parts.#folder.getFileHandle(String(parts.#whole.length))).getFile();
        if (blob.size !== PART) break;
        parts.#whole.push(blob);
        parts.length += PART;
      }
    } catch (err) {
      // NotFoundError is the end of what is there; anything else means that nothing can be stored.
      if (err.name !== 'NotFoundError') parts.#folder = null;
    }
    return parts;
  }

  /** @param {Uint8Array} bytes */
  async add(bytes) {
    this.length += bytes.length;
    while (bytes.length > 0) {
      const n = Math.min(bytes.length, PART - this.#opened);
      this.#open.push(bytes.subarray(0, n));
      this.#opened += n;
      bytes = bytes.subarray(n);
      if (this.#opened === PART) await this.#close();
    }
  }

  async #close() {
    const blob = new Blob(this.#open);
    this.#whole.push(await this.#store(blob));
    this.#open = [];
    this.#opened = 0;
  }

  async #store(blob) {
    if (!this.#folder) return blob;
    try {
      const handle = await this.#folder.getFileHandle(String(this.#whole.length), { create: true });
      const out = await handle.createWritable();
      await out.write(blob);
      await out.close();
      return await handle.getFile();
    } catch {
      return blob; // no room, or no way to write: memory has to do
    }
  }

  /** @returns {Promise<Blob>} everything that is here */
  async file() {
    return new Blob([...this.#whole, ...this.#open]);
  }

  /** Forgets everything. */
  async drop() {
    this.#whole = [];
    this.#open = [];
    this.#opened = this.length = 0;
    const root = await navigator.storage?.getDirectory?.().catch(() => null);
    if (this.#folder) await root?.removeEntry(this.#folder.name, { recursive: true }).catch(() => {});
  }
}
