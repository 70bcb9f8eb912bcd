#include "tlstalk.h"

#include "base/assert.h"
#include "dxtest.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t arena[16 << 20];
static size_t used;

void tls_reset(void)
{
	used = 0;
}

static uint8_t *room(size_t n)
{
	ASSERT(n <= sizeof arena - used);
	used += n;
	return arena + used - n;
}

static struct bytes keep(struct bytes b)
{
	uint8_t *p = room(b.n);
	if (b.n)
		memcpy(p, b.p, b.n);
	return bytes_of(p, b.n);
}

struct bytes H(const char *hex) {
	struct bytes b = dxtest_hex(hex), kept = keep(b);
	free((void *)(uintptr_t)b.p);
	return kept;
}

struct bytes
B(const char *text) {
	return bytes_str(text);
}

struct bytes
zeros(size_t n)
{
	uint8_t *p = room(n);
	memset(p, 0, n);
	return bytes_of(p, n);
}

struct bytes join(const struct bytes *b, size_t n)
{
	size_t all = 0, at = 0;
	for (size_t i = 0; i < n; i++)
		all += b[i].n;
	uint8_t *p = room(all);
	for (size_t i = 0; i < n; i++)
		at += bytes_copy(p + at, all - at, b[i]);
	return bytes_of(p, all);
}

struct bytes number(unsigned width, uint64_t v)
{
	uint8_t *p = room(width);
	for (unsigned i = 0; i < width; i++)
		p[i] = (uint8_t)(v >> 8 * (width - 1 - i));
	return bytes_of(p, width);
}

struct bytes prefixed(unsigned width, struct bytes b)
{
	return J(number(width, b.n), b);
}

struct bytes file_bytes(const char *path)
{
	char name[512];
	snprintf(name, sizeof name, "%s/%s", WW_SOURCE_DIR, path);
	FILE *f = fopen(name, "rb");
	ASSERT(f);
	uint8_t *p = room(65536);
	size_t n = fread(p, 1, 65536, f);
	fclose(f);
	return bytes_of(p, n);
}

struct bytes record(uint8_t type, struct bytes body)
{
	return J(number(1, type), number(2, 0x0303), prefixed(2, body));
}

struct bytes records(uint8_t type, size_t n, struct bytes body)
{
	struct bytes all = { 0 };
	for (; body.n; body = bytes_from(body, n < body.n ? n : body.n))
		all = J(all, record(type, bytes_first(body, n)));
	return all;
}

struct bytes message(uint8_t type, struct bytes body)
{
	return J(number(1, type), prefixed(3, body));
}

struct bytes extension(uint16_t type, struct bytes body)
{
	return J(number(2, type), prefixed(2, body));
}

struct bytes client_hello(
	uint16_t version, struct bytes session, struct bytes ciphers, struct bytes extensions)
{
	struct bytes block = extensions.n ? prefixed(2, extensions) : extensions;
	return message(1, J(number(2, version), zeros(32), prefixed(1, session), prefixed(2, ciphers),
				  H("01 00"), block));
}

struct bytes server_hello(uint16_t version, struct bytes session, uint16_t cipher, struct bytes extensions)
{
	struct bytes block = extensions.n ? prefixed(2, extensions) : extensions;
	return message(
		2, J(number(2, version), zeros(32), prefixed(1, session), number(2, cipher), H("00"), block));
}

struct bytes server_name(const char *name)
{
	return extension(0, prefixed(2, J(H("00"), prefixed(2, B(name)))));
}

struct bytes certificates(const struct bytes *list, size_t n)
{
	struct bytes all = { 0 };
	for (size_t i = 0; i < n; i++)
		all = J(all, prefixed(3, list[i]));
	return message(11, prefixed(3, all));
}

struct bytes der(uint8_t tag, struct bytes body)
{
	struct bytes n = body.n < 128   ? number(1, body.n)
			 : body.n < 256 ? J(H("81"), number(1, body.n))
					: J(H("82"), number(2, body.n));
	return J(number(1, tag), n, body);
}
