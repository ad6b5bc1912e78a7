/** S3-compatible storage as a target. An object appears there as a whole. */
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';
import { AwsV4Signer } from 'aws4fetch';
import type { S3Target } from '../../destinations/destination.ts';
import { guardedLookup, refusedAddress } from '../address.ts';
import { reasonOf } from '../reason.ts';
import { PATIENCE_MS, type Reach, type Target, TargetError } from './target.ts';

/** Longer files go up in parts of so many bytes; 10,000 parts are allowed. */
const PART_BYTES = 64 * 1024 * 1024;
/** An answer is short. */
const MAX_ANSWER = 65_536;

interface Body {
  readonly file: string;
  readonly start: number;
  readonly length: number;
}

interface Answer {
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** A put that is cut off leaves parts there that nobody sees; a rule of the bucket removes them. */
export class S3Storage implements Target {
  readonly #target: S3Target;
  readonly #reach: Reach;
  readonly #partBytes: number;

  constructor(target: S3Target, reach: Reach, partBytes = PART_BYTES) {
    this.#target = target;
    this.#reach = reach;
    this.#partBytes = partBytes;
  }

  async put(file: string, name: string): Promise<void> {
    try {
      const { size } = await fs.stat(file);
      const url = this.#urlOf(name);
      if (size <= this.#partBytes) await this.#call('PUT', url, { file, start: 0, length: size });
      else await this.#putInParts(file, size, url);
    } catch (error) {
      throw new TargetError(
        `${name} cannot be put into ${this.#target.bucket}: ${reasonOf(error)}`,
      );
    }
  }

  async close(): Promise<void> {}

  async #putInParts(file: string, size: number, url: string): Promise<void> {
    const upload = /<UploadId>([^<]+)</.exec(
      (await this.#call('POST', `${url}?uploads=`)).text,
    )?.[1];
    if (!upload) throw new Error('the storage did not begin an upload in parts');
    const at = `uploadId=${encodeURIComponent(upload)}`;
    try {
      const parts: string[] = [];
      for (let start = 0; start < size; start += this.#partBytes) {
        const number = parts.length + 1;
        const body = { file, start, length: Math.min(this.#partBytes, size - start) };
        const { headers } = await this.#call('PUT', `${url}?partNumber=${number}&${at}`, body);
        parts.push(
          `<Part><PartNumber>${number}</PartNumber><ETag>${headers.etag ?? ''}</ETag></Part>`,
        );
      }
      const list = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
      const { text } = await this.#call('POST', `${url}?${at}`, list);
      // The storage may find out after it has said 200.
      if (text.includes('<Error>')) throw new Error(problemOf(text) ?? 'the parts were refused');
    } catch (error) {
      await this.#call('DELETE', `${url}?${at}`).catch(() => {});
      throw error;
    }
  }

  /** Amazon wants the bucket in the host's name, which compatible storage may not have. */
  #urlOf(name: string): string {
    const { endpoint, region, bucket, prefix } = this.#target;
    const key = `${prefix}${name}`.split('/').map(encoded).join('/');
    if (endpoint !== undefined) return `${endpoint}/${bucket}/${key}`;
    return bucket.includes('.')
      ? `https://s3.${region}.amazonaws.com/${bucket}/${key}`
      : `https://${bucket}.s3.${region}.amazonaws.com/${key}`;
  }

  async #call(method: string, to: string, body?: Body | string): Promise<Answer> {
    const { accessKeyId, secretAccessKey, region } = this.#target;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : (body?.length ?? 0);
    const signed = await new AwsV4Signer({
      ...{ method, url: to, accessKeyId, secretAccessKey, region, service: 's3' },
      headers: { 'Content-Length': String(length) },
    }).sign();
    const { allowPrivate, patience = PATIENCE_MS, signal } = this.#reach;
    // A name is looked at when it is looked up; an address is not looked up.
    const refused = refusedAddress(signed.url.href, allowPrivate);
    if (refused) throw new Error(`${refused.wrong}; ${refused.instead}`);
    const request = (signed.url.protocol === 'https:' ? https : http).request(signed.url, {
      method,
      headers: Object.fromEntries(signed.headers),
      lookup: guardedLookup(allowPrivate),
      agent: false,
      signal,
    });
    // Of the connection, so that an upload may take as long as it goes on.
    request.setTimeout(patience, () => request.destroy(new Error('the storage does not answer')));
    const answer = answerOf(request);
    // A refusal may come while the file is still on its way: then that is what is said.
    answer.catch(() => {});
    if (typeof body === 'object' && body.length > 0) {
      const { file, start } = body;
      const content = createReadStream(file, { start, end: start + length - 1 });
      await pipeline(content, request).catch(() => {});
    } else {
      request.end(typeof body === 'string' ? body : undefined);
    }
    return await answer;
  }
}

function answerOf(request: http.ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.once('error', reject);
    request.once('close', () => reject(new Error('the storage closed the connection')));
    request.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => {
        if (text.length < MAX_ANSWER) text += part;
      });
      response.once('error', reject);
      response.once('end', () => {
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve({ headers: response.headers, text });
        else reject(new Error(problemOf(text) ?? `the storage answers ${status}`));
      });
    });
  });
}

/** As the signature has it, too. */
const encoded = (text: string) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const problemOf = (xml: string): string | undefined => {
  const [code, message] = ['Code', 'Message'].map(
    (name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1],
  );
  return code && `the storage answers ${code}${message ? ` (${message})` : ''}`;
};
