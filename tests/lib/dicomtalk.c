#include "dicomtalk.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <cmocka.h>

const char D1[] =
	"0100000000cd00010000414e592d5343502020202020202020204543484f534355202020202020202020000000000000"
	"000000000000000000000000000000000000000000000000000010000015312e322e3834302e31303030382e332e312e"
	"312e312000002e0100000030000011312e322e3834302e31303030382e312e3140000011312e322e3834302e31303030"
	"382e312e325000003a51000004000040005200001b312e322e3237362e302e373233303031302e332e302e332e362e38"
	"5500000f4f464649535f44434d544b5f333638";
const char D2[] =
	"0200000000b800010000414e592d5343502020202020202020204543484f534355202020202020202020000000000000"
	"000000000000000000000000000000000000000000000000000010000015312e322e3834302e31303030382e332e312e"
	"312e31210000190100000040000011312e322e3834302e31303030382e312e325000003a51000004000040005200001b"
	"312e322e3237362e302e373233303031302e332e302e332e362e375500000f4f464649535f44434d544b5f333637";
const char D3[] = "03000000000400010107";
const char D4[] =
	"04000000004a0000004601030000000004000000380000000000020012000000312e322e3834302e31303030382e312e"
	"3100000000010200000030000000100102000000010000000008020000000101";
const char D5[] =
	"0400000000540000005001030000000004000000420000000000020012000000312e322e3834302e31303030382e312e"
	"310000000001020000003080000020010200000001000000000802000000010100000009020000000000";
const char D6[] = "05000000000400000000";
const char D6b[] = "06000000000400000000";
const char D7[] = "07000000000400000200";
const char D8[] = "580000130201000561646d696e00085061737377307264";
const char D8b[] = "590000020000";
const char D9[] =
	"01000000019c000100005041435331202020202020202020202043543031202020202020202020202020000000000000"
	"000000000000000000000000000000000000000000000000000010000015312e322e3834302e31303030382e332e312e"
	"312e312000004d0100000030000019312e322e3834302e31303030382e352e312e342e312e312e3240000013312e322e"
	"3834302e31303030382e312e322e3140000011312e322e3834302e31303030382e312e3220000038030000003000001b"
	"312e322e3834302e31303030382e352e312e342e312e322e322e3140000011312e322e3834302e31303030382e312e32"
	"20000038050000003000001b312e322e3834302e31303030382e352e312e342e312e322e322e3240000011312e322e38"
	"34302e31303030382e312e3250000072510000040000800052000013312e332e31322e322e313130372e352e312e3453"
	"000004000100015400001d0019312e322e3834302e31303030382e352e312e342e312e312e3201005800001302010005"
	"61646d696e000850617373773072645500000f5349454d454e535f53355641343741";
const char D9b[] =
	"0200000000f4000100005041435331202020202020202020202043543031202020202020202020202020000000000000"
	"000000000000000000000000000000000000000000000000000010000015312e322e3834302e31303030382e332e312e"
	"312e312100001b0100000040000013312e322e3834302e31303030382e312e322e31210000190300000040000011312e"
	"322e3834302e31303030382e312e32210000190500000040000011312e322e3834302e31303030382e312e325000003a"
	"51000004000040005200001b312e322e3237362e302e373233303031302e332e302e332e362e375500000f4f46464953"
	"5f44434d544b5f333637";
const char D10[] =
	"0400000000720000006e0103000000000400000060000000000002001a000000312e322e3834302e31303030382e352e"
	"312e342e312e312e32000000000102000000010000001001020000000700000000070200000000000000000802000000"
	"0100000000100e000000312e322e332e342e352e362e3700";
const char D10b[] =
	"0400000001080000010401020800160055491a00312e322e3834302e31303030382e352e312e342e312e312e32000800"
	"180055490e00312e322e332e342e352e362e370008005000534808004143433030303120080060004353020043540800"
	"70004c4f0c0041434d45204d45444943414c080080004c4f100047656e6572616c20486f73706974616c080010105348"
	"040043543031080090104c4f0a005343414e20393030302010001000504e0800444f455e4a414e45100020004c4f0800"
	"4d524e31323334351000300044410800313937303031303210004000435302004620180000104c4f0800534e2d373731"
	"3233180020104c4f140056413437415c73796e676f204354203230313441";
const char D11[] =
	"0400000000940000005a030300000000040000004c000000000002001c000000312e322e3834302e31303030382e352e"
	"312e342e312e322e322e3100000000010200000020000000100102000000020000000007020000000000000000080200"
	"000001000000003203020800520006000000535455445920080061000000000010001000020000002a20100020000000"
	"000020000d0000000000";
const char D12[] =
	"0400000000980000006a050300000000040000005c000000000002001c000000312e322e3834302e31303030382e352e"
	"312e342e312e322e322e3200000000010200000021000000100102000000030000000006080000004556494c53435020"
	"0000000702000000000000000008020000000100000000260502080052000600000053545544592020000d000e000000"
	"312e322e332e342e352e362e3700";
const char D13[] = "40007502fffffffffeff00e0ffffffff400001100400000052503120feff0de000000000feffdde000000000";

/* ---- making streams ---------------------------------------------------------------------- */

void say(struct talk *t, enum dir dir, struct bytes data)
{
	assert_true(t->n < CHUNKS);
	t->chunk[t->n++] = (struct chunk){ dir, data };
}

void say_hex(struct talk *t, enum dir dir, const char *hex)
{
	say(t, dir, dxtest_hex(hex));
}

void talk_free(struct talk *t)
{
	for (size_t i = 0; i < t->n; i++)
		free((void *)(uintptr_t)t->chunk[i].data.p);
	t->n = 0;
}

void put(struct out *o, const void *p, size_t n)
{
	o->p = realloc(o->p, o->n + n + 1);
	assert_non_null(o->p);
	if (n)
		memcpy(o->p + o->n, p, n);
	o->n += n;
}

void put_be(struct out *o, uint32_t v, unsigned n)
{
	while (n--) {
		uint8_t b = (uint8_t)(v >> (8 * n));
		put(o, &b, 1);
	}
}

static void put_le(struct out *o, uint32_t v, unsigned n)
{
	for (; n--; v >>= 8) {
		uint8_t b = (uint8_t)v;
		put(o, &b, 1);
	}
}

struct bytes view(const struct out *o)
{
	return bytes_of(o->p, o->n);
}

/* An element; vr "SQ", "OB" and the like have long heads; big: explicit big endian, implicit: no VR. */
void put_element(struct out *o, enum dicom_syntax s, uint32_t tag, const char *vr, const void *v, size_t n,
	uint32_t length)
{
	void (*number)(struct out *, uint32_t, unsigned) = s == SYNTAX_BIG_ENDIAN ? put_be : put_le;
	bool is_long = strstr("OB OW SQ UN UT", vr) != NULL;
	number(o, tag >> 16, 2);
	number(o, tag & 0xffff, 2);
	if (s == SYNTAX_IMPLICIT || tag >> 16 == 0xfffe) {
		number(o, length, 4);
	} else {
		put(o, vr, 2);
		if (is_long)
			number(o, 0, 2);
		number(o, length, is_long ? 4 : 2);
	}
	put(o, v, n);
}

void put_text(struct out *o, enum dicom_syntax s, uint32_t tag, const char *vr, const char *v)
{
	size_t n = strlen(v);
	struct out even = { 0 };
	put(&even, v, n);
	if (n & 1)
		put(&even, strcmp(vr, "UI") == 0 ? "" : " ", 1);
	put_element(o, s, tag, vr, even.p, even.n, (uint32_t)even.n);
	free(even.p);
}

/* A CT image with a sequence that names another maker and holds a patient's number; undefined: by delimiters.
 */
struct out data_set(enum dicom_syntax s, bool undefined)
{
	static const uint8_t pixels[600] = { 1, 2, 3 };
	struct out o = { 0 }, items = { 0 }, item = { 0 };
	put_text(&item, s, 0x00080070, "LO", "GATEWAY MAKER");
	put_text(&item, s, 0x00100020, "LO", "NESTED-1");
	if (undefined)
		put_element(&item, s, 0xfffee00d, "", "", 0, 0);
	put_element(&items, s, 0xfffee000, "", item.p, item.n, undefined ? 0xffffffff : (uint32_t)item.n);
	if (undefined)
		put_element(&items, s, 0xfffee0dd, "", "", 0, 0);
	put_text(&o, s, 0x00080005, "CS", "ISO_IR 100");
	put_text(&o, s, 0x00080060, "CS", "CT");
	put_text(&o, s, 0x00080070, "LO", "ACME");
	put_text(&o, s, 0x00081090, "LO", "SCAN 9");
	put_element(&o, s, 0x00081140, "SQ", items.p, items.n, undefined ? 0xffffffff : (uint32_t)items.n);
	put_text(&o, s, 0x00100010, "PN", "DOE^JANE");
	put_text(&o, s, 0x00100020, "LO", "MRN12345");
	put_text(&o, s, 0x00181000, "LO", "SN-1");
	put_text(&o, s, 0x00181020, "LO", "1.0\\2.0");
	put_element(&o, s, 0x00291010, "OB", pixels, sizeof pixels, sizeof pixels);
	put_element(&o, s, 0x7fe00010, "OW", pixels, sizeof pixels, sizeof pixels);
	free(items.p);
	free(item.p);
	return o;
}

struct bytes deflated(struct out set)
{
	struct out o = { calloc(1, set.n + 64), 0 };
	z_stream z = {
		.next_in = set.p, .avail_in = (uInt)set.n, .next_out = o.p, .avail_out = (uInt)set.n + 64
	};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	o.n = z.total_out;
	deflateEnd(&z);
	if (o.n & 1)
		put(&o, "", 1);
	free(set.p);
	return view(&o);
}

/* A PDV; and a P-DATA PDU of what is in o. */
void put_pdv(struct out *o, uint8_t context, uint8_t control, struct bytes part)
{
	put_be(o, (uint32_t)part.n + 2, 4);
	put(o, &context, 1);
	put(o, &control, 1);
	put(o, part.p, part.n);
}

struct bytes pdu(uint8_t type, struct out body)
{
	struct out o = { 0 };
	put(&o, (uint8_t[]){ type, 0 }, 2);
	put_be(&o, (uint32_t)body.n, 4);
	put(&o, body.p, body.n);
	free(body.p);
	return view(&o);
}

struct bytes p_data(uint8_t context, uint8_t control, struct bytes part)
{
	struct out o = { 0 };
	put_pdv(&o, context, control, part);
	return pdu(4, o);
}

void put_number(struct out *o, uint32_t element, uint16_t v)
{
	uint8_t le[2] = { (uint8_t)v, (uint8_t)(v >> 8) };
	put_element(o, SYNTAX_IMPLICIT, element, "", le, 2, 2);
}

/* A command set: status 0xffff: none (a request); extra: further elements. */
struct bytes command(const char *sop_class, uint16_t code, bool with_data, int status, struct out extra)
{
	struct out o = { 0 }, all = { 0 };
	if (sop_class)
		put_text(&o, SYNTAX_IMPLICIT, 0x0002, "UI", sop_class);
	put_number(&o, 0x0100, code);
	put_number(&o, code & 0x8000 ? 0x0120 : 0x0110, 7);
	put_number(&o, 0x0800, with_data ? 0 : 0x0101);
	if (status >= 0)
		put_number(&o, 0x0900, (uint16_t)status);
	put(&o, extra.p, extra.n);
	free(extra.p);
	uint8_t n[4] = { (uint8_t)o.n, (uint8_t)(o.n >> 8), 0, 0 };
	put_element(&all, SYNTAX_IMPLICIT, 0, "", n, 4, 4);
	put(&all, o.p, o.n);
	free(o.p);
	return view(&all);
}

const char CT[] = "1.2.840.10008.5.1.4.1.1.2";

static void put_item(struct out *o, uint8_t type, struct bytes body)
{
	put(o, (uint8_t[]){ type, 0 }, 2);
	put_be(o, (uint32_t)body.n, 2);
	put(o, body.p, body.n);
}

struct bytes association(uint8_t type, const char *calling, const char *called, const char *abstract,
	const char *transfer, const char *more)
{
	struct out o = { 0 }, context = { 0 };
	char titles[33];
	snprintf(titles, sizeof titles, "%-16s%-16s", called, calling);
	put(&o, "\0\1\0\0", 4);
	put(&o, titles, 32);
	put(&o, (uint8_t[32]){ 0 }, 32);
	put_item(&o, 0x10, bytes_str("1.2.840.10008.3.1.1.1"));
	put(&context, "\1\0\0\0", 4);
	if (type == 1)
		put_item(&context, 0x30, bytes_str(abstract));
	put_item(&context, 0x40, bytes_str(transfer));
	put_item(&o, type == 1 ? 0x20 : 0x21, view(&context));
	struct bytes extra = dxtest_hex(more);
	put_item(&o, 0x50, extra);
	free((void *)(uintptr_t)extra.p);
	free(context.p);
	return pdu(type, o);
}

void say_association(struct talk *t, const char *calling, const char *abstract, const char *transfer)
{
	say(t, DIR_CLIENT, association(1, calling, "PACS", abstract, transfer, "51000004 00004000"));
	say(t, DIR_SERVER, association(2, calling, "PACS", abstract, transfer, "51000004 00004000"));
}

void free_bytes(struct bytes b)
{
	free((void *)(uintptr_t)b.p);
}

void say_p_data(struct talk *t, enum dir dir, uint8_t control, struct bytes owned)
{
	say(t, dir, p_data(1, control, owned));
	free_bytes(owned);
}

char *run(struct talk *t)
{
	char *text = dxtest_splits(&(struct dxtest){ .proto = PROTO_dicom }, t->chunk, t->n);
	for (size_t i = 0; i < t->n; i++)
		dxtest_cuts(&(struct dxtest){ .proto = PROTO_dicom }, t->chunk, t->n, i);
	talk_free(t);
	return text;
}

void expect(struct talk *t, const char *want)
{
	char *text = run(t);
	assert_string_equal(text, want);
	free(text);
}

/* Only the lines that begin so; the rest is another test's. */
void expect_lines(struct talk *t, const char *prefix, const char *want)
{
	char *text = run(t), *kept = calloc(1, strlen(text) + 1);
	assert_non_null(kept);
	for (struct cur c = cur_of(bytes_str(text)); cur_more(&c);) {
		struct bytes line = cur_until(&c, '\n');
		if (bytes_starts(line, prefix) || bytes_starts(line, "malformed") ||
			bytes_starts(line, "junk")) {
			strncat(kept, (const char *)line.p, line.n);
			strncat(kept, "\n", 2);
		}
	}
	assert_string_equal(kept, want);
	free(kept);
	free(text);
}
