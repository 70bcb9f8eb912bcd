#include "run/thread_name.h"

#include <pthread.h>
#include <stdio.h>

enum { NAME = 16 }; /* pthread_setname_np(3) */

void thread_name(const char *name, unsigned number)
{
	char text[NAME];
	if (number)
		snprintf(text, sizeof text, "%s-%u", name, number);
	else
		snprintf(text, sizeof text, "%s", name);
	(void)pthread_setname_np(pthread_self(), text);
}
