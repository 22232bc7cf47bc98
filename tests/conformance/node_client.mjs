// A client in Node, with nothing but Node: `node node_client.mjs NAME`; a chat and a stream, through HTTPS_PROXY where it
// is set (CONNECT, one tunnel for each), else by fetch. Prints the answers' sizes; ends with 1 where one is no answer.
import http from "node:http";
import https from "node:https";
import tls from "node:tls";

const name = process.argv[2];
const proxy = process.env.HTTPS_PROXY;

function body(stream) {
  const content = `case:${stream ? "stream" : "chat"} noon?`;
  return JSON.stringify({ model: "mistral-small", stream, messages: [{ role: "user", content }] });
}

function tunnel() {
  const { hostname, port } = new URL(proxy);
  return new Promise((done, failed) => {
    const asked = http.request({ host: hostname, port, method: "CONNECT", path: `${name}:443` });
    asked.on("connect", (answer, socket) => {
      if (answer.statusCode !== 200) return failed(new Error(`CONNECT: ${answer.statusCode}`));
      done(tls.connect({ socket, servername: name }));
    });
    asked.on("error", failed);
    asked.end();
  });
}

async function through(stream) {
  const socket = await tunnel();
  return new Promise((done, failed) => {
    const options = { host: name, path: "/v1/chat/completions", method: "POST" };
    const headers = { "content-type": "application/json" };
    const asked = https.request({ ...options, headers, createConnection: () => socket }, (answer) => {
      let size = 0;
      answer.on("data", (data) => (size += data.length));
      answer.on("end", () => done([answer.statusCode, size]));
    });
    asked.on("error", failed);
    asked.end(body(stream));
  });
}

async function past(stream) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`https://${name}/v1/chat/completions`, { method: "POST", headers, body: body(stream) });
  return [answer.status, (await answer.text()).length];
}

for (const stream of [false, true]) {
  const [status, size] = await (proxy ? through : past)(stream);
  console.log(status, size);
  if (status !== 200 || size === 0) process.exit(1);
}
process.exit(0);
