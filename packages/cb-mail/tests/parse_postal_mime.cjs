// Reads messages, each behind its length and a line end, and writes each one's tree as a line of JSON: by postal-mime.
const { createRequire } = require("node:module");
const postal = createRequire(process.argv[2] + "/")("postal-mime");
const { decodeWords } = postal;

function tree(node, within) {
  const type = node.contentType.parsed.value || "text/plain";
  if (node.contentType.multipart) return { type, parts: node.childNodes.map((one) => tree(one, true)) };
  let data = node.content ? Buffer.from(node.content) : Buffer.alloc(0);
  // It keeps the line end that is the boundary's (RFC 2046, 5.1.1).
  const coding = node.contentTransferEncoding;
  if (within && (coding?.value ?? coding) !== "base64" && data.at(-1) === 10) data = data.subarray(0, -1);
  const name = node.contentDisposition.parsed.params.filename ?? null;
  const cid = node.contentId ? node.contentId.replace(/[<>\s]/g, "") : null;
  return { type, name, cid, data: data.toString("hex") };
}

async function read(raw) {
  const parser = new postal.default();
  let seen;
  try {
    seen = await parser.parse(raw);
  } catch (error) {
    return { head: {}, tree: {}, bad: [String(error)] };
  }
  const note = seen.headers.find((one) => one.key === "x-note");
  const head = { Subject: seen.subject ?? null, "X-Note": note ? decodeWords(note.value) : null };
  return { head, tree: tree(parser.root, false), bad: [] };
}

async function main() {
  let buffer = Buffer.alloc(0);
  for await (const data of process.stdin) {
    buffer = Buffer.concat([buffer, data]);
    for (;;) {
      const end = buffer.indexOf(10);
      const length = end < 0 ? NaN : Number(buffer.subarray(0, end).toString());
      if (!(buffer.length >= end + 1 + length)) break;
      const raw = buffer.subarray(end + 1, end + 1 + length);
      process.stdout.write(JSON.stringify(await read(raw)) + "\n");
      buffer = buffer.subarray(end + 1 + length);
    }
  }
}

main();
