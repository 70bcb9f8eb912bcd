/* discovery: what CDP and LLDP have in common: descriptions in which a station's maker wrote the version. */
#ifndef WW_DISSECTORS_DISCOVERY_H
#define WW_DISSECTORS_DISCOVERY_H

#include "dissect.h"

/* "12.2(44)SE" of "Cisco IOS Software, Version 12.2(44)SE, RELEASE SOFTWARE"; empty: none is said. */
static inline struct bytes discovery_version(struct bytes description)
{
	static const char word[] = "Version ";
	struct bytes v = bytes_from(description, bytes_find(description, 0, bytes_str(word)));
	v = bytes_from(v, sizeof word - 1);
	size_t n = 0;
	while (n < v.n && (ascii_alnum(bytes_at(v, n)) ||
				  bytes_chr(bytes_str(".-_()"), 0, (uint8_t)bytes_at(v, n)) < 5))
		n++;
	return ascii_digit(bytes_at(v, 0)) ? bytes_first(v, n) : (struct bytes){ 0 };
}

#endif
