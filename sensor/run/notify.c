#include "run/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	if (n < 2 || n >= sizeof name.sun_path || (*path != '/' && *path != '@'))
		return -1;
	memcpy(name.sun_path, path, n);
	if (*path == '@') /* an abstract one: unix(7) */
		name.sun_path[0] = 0;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&name, size) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void notify_send(int fd, const char *state)
{
	if (fd >= 0)
		(void)send(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL);
}

uint64_t notify_watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us = 0, whose = 0;
	if (!usec || !bytes_to_u64(bytes_str(usec), &us) || us > UINT64_MAX / 1000)
		return 0;
	if (pid && (!bytes_to_u64(bytes_str(pid), &whose) || whose != (uint64_t)getpid()))
		return 0; /* another process's, whose environment we have */
	return us * 1000;
}
