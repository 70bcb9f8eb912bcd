#include "vitals.h"

#define SECOND UINT64_C(1000000000)

const struct vitals *vitals_sample(void)
{
	static struct counters counters;
	static struct dx_proto_counters proto[PROTO_N];
	static const struct vitals_interface interfaces[] = {
		{ "eth1", true, 1000, 64000, 12, 5, 7, 1764000099 * SECOND + 250000000 },
		{ "a\"b\\c\nd", false, 0, 0, 0, 0, 0, 0 },
	};
	static const struct vitals_worker workers[] = { { 600, 1024, 4194304 }, { 400, 0, 4194304 } };
	static const struct vitals_table tables[] = { { "conversations", 1234, 262144 },
		{ "devices", 77, 16384 } };
	static uint64_t changes[ATTR_N];
	static struct vitals v;
	for (size_t i = 0; i < counter_rows_n; i++) {
		uint64_t n = i + 1;
		memcpy((char *)&counters + counter_rows[i].offset, &n, sizeof n);
	}
	for (unsigned p = 0; p < PROTO_N; p++)
		proto[p] = (struct dx_proto_counters){
			.messages = 9, .events = p + 1, .malformed = 2, .junk_bytes = 3
		};
	proto[PROTO_hl7].phi[0][PHI_PATIENT_NAME - PHI_NONE - 1] = 21;
	for (unsigned a = 0; a < ATTR_N; a++)
		changes[a] = a + 100;
	v = (struct vitals){ .sensor_name = "ward-east-1",
		.now_ns = 1764000100 * SECOND,
		.started_ns = 1763990000 * SECOND,
		.last_packet_ns = 1764000099 * SECOND + 250000000,
		.counters = &counters,
		.proto = proto,
		.interfaces = interfaces,
		.n_interfaces = 2,
		.workers = workers,
		.n_workers = 2,
		.tables = tables,
		.n_tables = 2,
		.flows = 1234,
		.stream_bytes = 65536,
		.devices = 77,
		.attr_changes = changes,
		.memory = { 2, 430 << 20, 233 << 20, 128 << 20 },
		.rules = 432,
		.rules_left_out = 3,
		.policies_read_ns = 1763990001 * SECOND };
	return &v;
}
