/* ASSERT: our own invariants, in all builds. Never on a value from the wire (design.md section 7). */
#ifndef WW_BASE_ASSERT_H
#define WW_BASE_ASSERT_H

_Noreturn void assert_failed(const char *what, const char *file, int line);

#define ASSERT(x) ((x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__))

#endif
