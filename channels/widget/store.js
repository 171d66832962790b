// What the browser keeps for us.

/** localStorage (or sessionStorage) below one prefix; memory where the browser keeps nothing. */
class Store {
  constructor(prefix, kind = "localStorage") {
    this.prefix = prefix;
    this.kind = kind;
    this.memory = new Map();
  }

  get(name) {
    if (this.memory.has(name)) return this.memory.get(name);
    try {
      return JSON.parse(window[this.kind].getItem(this.prefix + name));
    } catch {
      return null;
    }
  }

  set(name, value) {
    try {
      window[this.kind].setItem(this.prefix + name, JSON.stringify(value));
      this.memory.delete(name);
    } catch {
      this.memory.set(name, value);
    }
  }

  remove(name) {
    this.memory.delete(name);
    try {
      window[this.kind].removeItem(this.prefix + name);
    } catch {
      // it was never there
    }
  }

  names(start) {
    const all = new Set(this.memory.keys());
    try {
      for (const key of Object.keys(window[this.kind])) {
        if (key.startsWith(this.prefix)) all.add(key.slice(this.prefix.length));
      }
    } catch {
      // memory is all there is
    }
    return [...all].filter((name) => name.startsWith(start)).sort();
  }
}
