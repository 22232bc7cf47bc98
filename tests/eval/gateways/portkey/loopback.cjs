// Loaded before Portkey's gateway, which can only be told a port: it listens on loopback and nowhere else.
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  if (first !== null && typeof first === "object") return listen.call(this, { ...first, host: "127.0.0.1" }, ...rest);
  return listen.call(this, { port: first, host: "127.0.0.1" }, rest.findLast((one) => typeof one === "function"));
};
