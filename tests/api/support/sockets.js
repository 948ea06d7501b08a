// Connections on which no answer is read, or none of HTTP.
import net from 'node:net';
import tls from 'node:tls';

// Open, and silent.
export const open = (service) =>
  new Promise((resolve, reject) => {
    const socket = net.connect(service.port, '127.0.0.1', () => resolve(socket));
    socket.on('error', reject);
  });

// Writes `bytes` and returns what comes until the service closes, and after how many ms it did.
export const hear = (service, bytes) =>
  new Promise((resolve) => {
    const begun = Date.now();
    const chunks = [];
    const socket = net.connect(service.port, '127.0.0.1', () => socket.write(bytes));
    socket.on('error', () => {}).on('data', (some) => chunks.push(some));
    socket.on('close', () => resolve({ bytes: Buffer.concat(chunks), ms: Date.now() - begun }));
  });

// What a TLS session with these options agrees on: its `protocol`, the `alpn` and the `name` in the certificate.
export const agree = (service, options) =>
  new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port: service.port, ...options }, () => {
      resolve({ protocol: socket.getProtocol(), alpn: socket.alpnProtocol, name: socket.getPeerCertificate().subject.CN });
      socket.destroy();
    });
    socket.on('error', reject);
  });
