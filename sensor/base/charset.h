/*
 * charset: text of hospital messages in UTF-8, so that a patient's name can be compared wherever it stands.
 *
 * DICOM (PS3.3 C.12.1.1.2, PS3.5 6.1) and HL7 (v2.9 table 0211) name the same sets. The parts of ISO 8859 and
 * the half-width katakana of JIS X 0201 are converted; so are texts that turn out to be UTF-8. Of the sets
 * with several bytes to a character only the ASCII in them is: what stands in the others is unread, and the
 * reader is told. Any thread. Nothing here allocates.
 */
#ifndef WW_BASE_CHARSET_H
#define WW_BASE_CHARSET_H

#include "base/bytes.h"

enum charset {
	CHARSET_UNSAID, /* nothing declared, or ASCII: UTF-8 if it is, else read as Latin-1 and unread */
	CHARSET_8859,   /* CHARSET_8859 + n: ISO 8859-n */
	CHARSET_KATAKANA = CHARSET_8859 + 17, /* JIS X 0201 */
	CHARSET_UTF8,
	CHARSET_SEVERAL, /* bytes to a character: GB18030, Shift-JIS, EUC, Big5 */
};

/* By the name in (0008,0005), of several the first, or in MSH-18. Unknown names: CHARSET_UNSAID. */
enum charset charset_of(struct bytes name);

/* The text in UTF-8, in room unless it is ASCII; at most room_n bytes. The escape sequences of ISO 2022 are
 * obeyed. *unread is set, never reset, when there are characters that could not be converted (each run of
 * them is a blank) or may have been taken for others. */
struct bytes charset_utf8(enum charset set, struct bytes text, uint8_t *room, size_t room_n, bool *unread);

#endif
