import { describe, expect, test } from "vitest";
import { refusedAddress, secretsIn } from "../../src/contract/tool-address.ts";

const refused = (url: string, local = false) => refusedAddress(url, { local }) !== undefined;

describe("an address that a deployment calls", () => {
  test.each([
    "https://tools.example.com/run",
    "https://example.com:8443/a?b=c",
    "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/",
    "https://xn--bcher-kva.example/",
    "https://172.32.0.1/",
    "https://100.128.0.1/",
    "https://192.169.0.1/",
  ])("%s", (url) => expect(refusedAddress(url, { local: false })).toBeUndefined());
});

describe("an address that none calls", () => {
  test.each([
    "",
    "tools.example.com",
    "/run",
    "ftp://example.com/",
    "file:///etc/passwd",
    "data:application/json,{}",
    "http://example.com/",
    "https://user:secret@example.com/",
    "https://user@example.com/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://a.localhost/",
    "https://localhost../",
    "https://127.0.0.1../",
    "https://10.0.0.1.../",
    "https://printer/",
    "https://db.internal/",
    "https://nas.local/",
    "https://metadata.google.internal/",
    // Spellings of 127.0.0.1, 10.0.0.1, 169.254.169.254 and 192.168.0.1
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://10.0.0.1/",
    "https://012.0.0.1/",
    "https://167772161/",
    "https://169.254.169.254/latest/meta-data",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://①②⑦.⓪.⓪.①/",
    "https://192.168.0.1./",
    "https://0.0.0.0/",
    "https://0/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://100.64.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://198.18.0.1/",
    "https://192.0.0.8/",
    "https://192.0.2.1/",
    "https://203.0.113.9/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[0:0:0:0:0:ffff:10.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a00:1::1]/",
    "https://[2001:0:1::1]/",
    "https://[2001:db8::1]/",
    "https://[fe80::1]/",
    "https://[febf::1]/",
    "https://[fc00::1]/",
    "https://[fd12:3456::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[100::1]/",
  ])("%s", (url) => expect(refused(url)).toBe(true));
});

describe("on one's own machine", () => {
  test.each([
    "http://127.0.0.1:4000/run",
    "http://localhost/",
    "https://[::1]/",
    "http://example.com/",
    "http://127.1/",
  ])("%s may be called", (url) => expect(refusedAddress(url, { local: true })).toBeUndefined());

  test.each([
    "http://10.0.0.1/",
    "http://169.254.169.254/",
    "ftp://127.0.0.1/",
    "http://a:b@127.0.0.1/",
    "http://nas/",
  ])("%s may not", (url) => expect(refused(url, true)).toBe(true));
});

test("says what is wrong, without the credentials that a URL has", () => {
  expect(refusedAddress("https://me:hunter2@example.com/", { local: false })).not.toContain("hunter2");
  expect(refusedAddress("http://example.com/", { local: false })).toContain("https");
  expect(refusedAddress("https://2130706433/", { local: false })).toContain("127.0.0.1 is a loopback address");
});

test("the values of a query are its secrets, as they are written and as they are meant", () => {
  expect(secretsIn("https://x.example/a?b=1%202&c=three&b=")).toEqual(["three", "1%202", "1 2"]);
  expect(secretsIn("https://x.example/a#b=c")).toEqual([]);
  expect(secretsIn("no address")).toEqual([]);
});
