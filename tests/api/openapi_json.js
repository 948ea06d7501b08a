// Prints openapi/openapi.yaml as JSON; `make openapi` keeps openapi/openapi.json with it.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

const page = new URL('../../openapi/openapi.yaml', import.meta.url);
process.stdout.write(JSON.stringify(parse(readFileSync(page, 'utf8')), null, 1) + '\n');
