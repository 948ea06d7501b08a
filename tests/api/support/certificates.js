// Certificates made here and now, which are their own authority.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

// NAME.pem and NAME.key in `folder`; the flags of a service that shows it.
export function makeCertificate(folder, name, type = elliptic) {
  const [certificate, key] = ['pem', 'key'].map((end) => join(folder, `${name}.${end}`));
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const args = ['req', '-x509', ...type, '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext', names];
  execFileSync('openssl', [...args, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  return ['--tls-certificate', certificate, '--tls-key', key];
}
