/** What the account needs of every visitor's consent: one thing of the account that is no list. */
import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { consentSchema } from '../account/document.ts';
import type { AccountBook, Document } from './book.ts';
import { type Behind, changer } from './caller.ts';
import type { Paths } from './operation.ts';
import { bodyIn, demand } from './request.ts';

export function consent(book: AccountBook): Hono<Behind> {
  const app = new Hono<Behind>();
  const answer = (c: Context, document: Document) =>
    c.json(shown(document), 200, { ETag: tagOf(document) });

  app.get('/consent', async (c) => answer(c, (await book.current()).document as Document));

  app.put('/consent', async (c) => {
    const given = await bodyIn(c, consentSchema);
    const { document } = await book.edit(changer(c), (before) => {
      demand(c, tagOf(before));
      return { ...before, consent: given };
    });
    return answer(c, document as Document);
  });

  return app;
}

/** With what it says by saying nothing. */
const shown = ({ consent }: Document) => {
  const { purposes, vendorId } = consentSchema.parse(consent ?? {});
  return { purposes, vendorId: vendorId ?? null };
};

const tagOf = (document: Document): string => {
  const hash = createHash('sha256')
    .update(JSON.stringify(shown(document)))
    .digest('base64url');
  return `"${hash.slice(0, 22)}"`;
};

const requirement = ['What is needed.', consentSchema] as const;

export const consentPaths: Paths = {
  '/v1/consent': {
    get: {
      summary: 'Which consent the account needs where GDPR applies',
      answers: { 200: requirement },
    },
    put: {
      summary: 'Change which consent the account needs',
      role: 'editor',
      ifMatch: true,
      body: consentSchema,
      answers: { 200: requirement },
      refusals: [400],
    },
  },
};
