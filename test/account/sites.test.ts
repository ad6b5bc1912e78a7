import { describe, expect, it } from 'vitest';
import { accountSchema } from '../../src/account/document.ts';
import { Sites } from '../../src/account/sites.ts';
import { exampleAccount } from './example.ts';

const sitesOf = (sites: object[]) =>
  new Sites(accountSchema.parse({ ...exampleAccount(), sites }).sites);

const SHOP = { siteId: 1, name: 'Shop', hosts: ['c.shop.example'], domains: ['shop.example'] };
const NEWS = { siteId: 2, name: 'News', hosts: ['c.news.example'], domains: ['news.example'] };
const OUTLET = {
  siteId: 3,
  name: 'Outlet',
  domains: ['outlet.shop.example', '[::1]', 'localhost'],
};
const SHOP_TOO = { siteId: 4, name: 'Shop 2', hosts: ['c4.example'], domains: ['Shop.Example'] };

describe('the site of a call, by the host that it calls and the page that it comes from', () => {
  it.each<[sites: object[], host: string, page: string | undefined, found: number | string]>([
    // One site that answers to every host name.
    [[OUTLET], 'any.example', undefined, 3],
    [[OUTLET], 'any.example', 'outlet.shop.example', 3],
    [[OUTLET], 'any.example', 'www.outlet.shop.example', 3],
    [[OUTLET], 'any.example', '[::1]', 3],
    [[OUTLET], 'any.example', 'localhost', 3],
    [[OUTLET], 'any.example', 'shop.example', 'no-page'],
    [[OUTLET], 'any.example', 'notoutlet.shop.example', 'no-page'],
    [[OUTLET], 'any.example', 'outlet.shop.example.evil.example', 'no-page'],
    // Sites with host names of their own.
    [[SHOP, NEWS], 'c.shop.example', undefined, 1],
    [[SHOP, NEWS], 'c.news.example', undefined, 2],
    [[SHOP, NEWS], 'c.shop.example', 'shop.example', 1],
    [[SHOP, NEWS], 'c.shop.example', 'a.b.shop.example', 1],
    [[SHOP, NEWS], 'c.shop.example', 'news.example', 'no-page'],
    [[SHOP, NEWS], 'c.shop.example', 'evil.example', 'no-page'],
    [[SHOP, NEWS], 'other.example', undefined, 'no-host'],
    [[SHOP, NEWS], 'other.example', 'shop.example', 'no-host'],
    [[SHOP, NEWS], 'other.example', 'evil.example', 'no-host'],
    // Where several answer, the page decides; where it is not told, nothing does.
    [[SHOP, OUTLET], 'c.shop.example', undefined, 'unknown'],
    [[SHOP, OUTLET], 'other.example', undefined, 3],
    [[SHOP, OUTLET], 'c.shop.example', 'shop.example', 1],
    // The longest domain wins.
    [[SHOP, OUTLET], 'c.shop.example', 'outlet.shop.example', 3],
    [[OUTLET, SHOP], 'c.shop.example', 'x.outlet.shop.example', 3],
    // Two sites of one domain, told apart by the host name.
    [[SHOP, SHOP_TOO], 'c.shop.example', 'shop.example', 1],
    [[SHOP, SHOP_TOO], 'c4.example', 'www.shop.example', 4],
    // No sites at all.
    [[], 'any.example', undefined, 'no-host'],
    [[], 'any.example', 'shop.example', 'no-host'],
  ])('%j called as %s from %s: %s', (sites, host, page, found) => {
    const site = sitesOf(sites).find(host, page);
    expect(typeof site === 'string' ? site : site.id).toBe(found);
  });
});

describe('whether a page belongs to the account, by whatever host it calls', () => {
  it.each([
    ['shop.example', true],
    ['www.shop.example', true],
    ['news.example', true],
    ['example', false],
    ['evilshop.example', false],
    ['shop.example.evil.example', false],
    ['', false],
    ['.', false],
  ])('%s: %s', (page, owned) => {
    expect(sitesOf([SHOP, NEWS]).ownsPage(page)).toBe(owned);
  });
});

describe('where an ID sync may redirect to', () => {
  const sites = sitesOf([
    { ...SHOP, redirectHosts: ['Partner.example', 'sync.example:8443'] },
    { ...NEWS, redirectHosts: ['127.0.0.1:9000'] },
  ]);
  it.each([
    ['https://partner.example/', true],
    ['http://partner.example/x?y', true],
    ['https://PARTNER.example:443/', true],
    ['https://sync.example:8443/', true],
    ['http://127.0.0.1:9000/', true],
    ['https://sync.example/', false],
    ['https://sync.example:8444/', false],
    ['http://127.0.0.1/', false],
    ['https://www.partner.example/', false],
    ['https://partner.example.evil.example/', false],
    ['https://partner.example@evil.example/', false],
    ['https://evil.example/partner.example', false],
    ['https://shop.example/', false],
  ])('%s: %s', (address, allowed) => {
    expect(sites.mayRedirectTo(new URL(address))).toBe(allowed);
  });
});
