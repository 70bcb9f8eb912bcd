/* linetalk: conversations of text lines in tests, written as chunks: { C("USER x\r\n"), S("331 Go on\r\n") }.
 */
#ifndef WW_TESTS_LINETALK_H
#define WW_TESTS_LINETALK_H

#include "dxtest.h"

/* Chunks of literal text. */
#define C(text)                                                                                              \
	{                                                                                                    \
		DIR_CLIENT,                                                                                  \
		{                                                                                            \
			(const uint8_t *)(text), sizeof(text) - 1                                            \
		}                                                                                            \
	}
#define S(text)                                                                                              \
	{                                                                                                    \
		DIR_SERVER,                                                                                  \
		{                                                                                            \
			(const uint8_t *)(text), sizeof(text) - 1                                            \
		}                                                                                            \
	}

#endif
