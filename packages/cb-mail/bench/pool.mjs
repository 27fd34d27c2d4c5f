// nodemailer's pool of one connection: pool.mjs PORT COUNT ROWS.json FILE; prints seconds and peak memory in MB.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const nodemailer = createRequire(process.env.CB_NODE_MODULES + "/x.js")("nodemailer");
const [port, , work, file] = process.argv.slice(2);
const { sender, subject, text, html, rows } = JSON.parse(readFileSync(work));
const filled = (one, row) => one.replaceAll("{{ name }}", row.name).replaceAll("{{ id }}", String(row.id));
const start = process.hrtime.bigint();
const pool = nodemailer.createTransport({
  host: "127.0.0.1", port: Number(port), pool: true, maxConnections: 1, maxMessages: Infinity, ignoreTLS: true,
});
await Promise.all(rows.map((row) => pool.sendMail({
  from: sender, to: { name: row.name, address: row.mail }, subject: filled(subject, row),
  text: filled(text, row), html: filled(html, row), attachments: file === "-" ? [] : [{ path: file }],
})));
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
pool.close();
console.log(JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS / 1024 }));
