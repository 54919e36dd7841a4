/** Switches a selector of a running sing-box, as the agent does it: `daemon.StartedService/SelectOutbound` over gRPC-Web. */
import http from 'node:http';

const LIMIT_MS = 10_000;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

/**
 * @param {import('../tests/support/singbox-status.mjs').Api} api
 * @param {string} group
 * @param {string} member
 * @returns {Promise<void>} once the core has answered
 * @throws {Error} if it refuses
 */
export async function select({ apiPort, apiSecret }, group, member) {
  const message = Buffer.concat([text(1, group), text(2, member)]);
  const frame = Buffer.concat([Buffer.alloc(5), message]);
  frame.writeUInt32BE(message.length, 1);
  const { headers, body } = await new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port: apiPort,
        method: 'POST',
        path: '/daemon.StartedService/SelectOutbound',
        headers: { authorization: `Bearer ${apiSecret}`, 'content-type': 'application/grpc-web+proto', 'content-length': frame.length },
        agent,
        signal: AbortSignal.timeout(LIMIT_MS),
      },
      (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString('latin1') }));
      },
    );
    request.once('error', reject);
    request.end(frame);
  });
  // An error comes in the headers, a success in the trailer that ends the body.
  const status = headers['grpc-status'] ?? /grpc-status: ?(\d+)/i.exec(body)?.[1];
  if (status !== '0') throw new Error(`SelectOutbound ${group} ${member}: status ${status} ${headers['grpc-message'] ?? ''}`);
}

/** A protobuf field of text shorter than 128 bytes. */
function text(number, value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([number * 8 + 2, bytes.length]), bytes]);
}
