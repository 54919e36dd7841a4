/**
 * Runs in a network namespace and opens connections there for whoever asks at its Unix socket, which is in no namespace: the first
 * line says where to, `{host, port, localAddress, udp}`; what follows is carried as it is, or with `udp` as datagrams, each after its
 * length in two bytes. Ends with its standard input. `node portal.mjs PATH`.
 */
import dgram from 'node:dgram';
import net from 'node:net';

const server = net.createServer({ allowHalfOpen: true }, (local) => {
  local.on('error', () => local.destroy());
  let head = Buffer.alloc(0);
  const onData = (chunk) => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(10);
    if (end < 0) return;
    local.off('data', onData).pause();
    const { udp, ...to } = JSON.parse(head.subarray(0, end));
    const rest = head.subarray(end + 1);
    if (rest.length > 0) local.unshift(rest);
    if (udp) datagrams(local, to);
    else stream(local, to);
  };
  local.on('data', onData);
});

function stream(local, to) {
  const remote = net.connect({ ...to, allowHalfOpen: true, noDelay: true });
  for (const [one, other] of [[local, remote], [remote, local]]) {
    one.pipe(other);
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}

async function datagrams(local, { host, port }) {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.on('error', () => local.destroy());
  socket.on('message', (message) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    local.write(Buffer.concat([length, message]));
  });
  local.on('close', () => socket.close());
  let waiting = Buffer.alloc(0);
  local.on('data', (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
      const end = 2 + waiting.readUInt16BE(0);
      socket.send(waiting.subarray(2, end), port, host);
      waiting = waiting.subarray(end);
    }
  });
  local.resume();
}

server.listen(process.argv[2], () => process.stdout.write('ready\n'));
process.stdin.on('end', () => process.exit()).resume();
