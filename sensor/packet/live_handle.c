#include "packet/live_handle.h"

#include "packet/decode.h"
#include "packet/fanout.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what can be wrong ------------------------------------------------------------------- */

bool live_wrong(struct diag *d, const char *name, const char *code, const char *why)
{
	diag_add(d, DIAG_ERROR, name, 0, 0, code, "%s", why);
	return false;
}

bool live_no_interface(struct diag *d, const char *name)
{
	enum { MOST = 64 };
	const char *names[MOST];
	char list[256] = "";
	size_t n = 0;
	struct if_nameindex *all = if_nameindex();
	for (struct if_nameindex *i = all; i && i->if_index && n < MOST; i++) {
		names[n++] = i->if_name;
		size_t used = strlen(list);
		snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", i->if_name);
	}
	const char *nearest = diag_nearest(bytes_str(name), names, n);
	if (nearest)
		diag_add(d, DIAG_ERROR, name, 0, 0, "C020",
			"there is no such interface: did you mean %s? There are: %s", nearest, list);
	else
		diag_add(d, DIAG_ERROR, name, 0, 0, "C020", "there is no such interface; there are: %s",
			n ? list : "none");
	if (all)
		if_freenameindex(all);
	return false;
}

static bool not_activated(struct diag *d, const char *name, int status, pcap_t *p)
{
	switch (status) {
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return live_wrong(d, name, "C021",
			"may not be captured from: it takes the capability CAP_NET_RAW (run as root, or "
			"once: setcap "
			"cap_net_raw+ep on the program)");
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return live_no_interface(d, name);
	default:
		diag_add(d, DIAG_ERROR, name, 0, 0, "C023", "cannot be captured from: %s%s%s",
			pcap_statustostr(status), *pcap_geterr(p) ? ": " : "", pcap_geterr(p));
		return false;
	}
}

/* ---- opening ----------------------------------------------------------------------------- */

static bool set_options(pcap_t *p, const struct live_options *o, bool promiscuous)
{
	return pcap_set_snaplen(p, (int)o->snap_bytes) == 0 && pcap_set_promisc(p, promiscuous) == 0 &&
	       pcap_set_timeout(p, LIVE_RETIRE_MS) == 0 &&
	       pcap_set_buffer_size(p, (int)o->buffer_kib * 1024) == 0 &&
	       pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO) == 0;
}

/* Gives pcap_activate's answer. */
static int activate(struct live_handle *h, const char *name, const struct live_options *o, bool promiscuous,
	char why[PCAP_ERRBUF_SIZE])
{
	*why = 0;
	h->pcap = pcap_create(name, why);
	if (!h->pcap || !set_options(h->pcap, o, promiscuous))
		return PCAP_ERROR;
	int status = pcap_activate(h->pcap);
	h->fd = status < 0 ? -1 : pcap_fileno(h->pcap);
	return status;
}

/* Is it up, and Ethernet to libpcap? Asked of any socket. */
static bool ethernet(int fd, const char *name, bool *is_up)
{
	struct ifreq flags = { .ifr_ifindex = 0 }, hw = { .ifr_ifindex = 0 };
	snprintf(flags.ifr_name, sizeof flags.ifr_name, "%s", name);
	snprintf(hw.ifr_name, sizeof hw.ifr_name, "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &flags) != 0 || ioctl(fd, SIOCGIFHWADDR, &hw) != 0)
		return false;
	*is_up = flags.ifr_flags & IFF_UP;
	return hw.ifr_hwaddr.sa_family == ARPHRD_ETHER || hw.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
}

/* Another interface of the same kind that is up: the loopback, as a rule. */
static bool find_stand_in(const char *name, char out[IF_NAMESIZE])
{
	bool is_up, found = false;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *all = fd >= 0 && ethernet(fd, name, &is_up) ? if_nameindex() : NULL;
	for (struct if_nameindex *i = all; i && i->if_index && !found; i++) {
		found = ethernet(fd, i->if_name, &is_up) && is_up;
		snprintf(out, IF_NAMESIZE, "%s", i->if_name);
	}
	if (all)
		if_freenameindex(all);
	if (fd >= 0)
		close(fd);
	return found;
}

/* The kernel has sockets on interfaces that are down, and they get packets once it is up; libpcap makes none.
 * So it makes one on another interface, which is then turned to the one that is meant. */
static bool open_down(struct live_handle *h, const char *name, const struct live_options *o, struct diag *d)
{
	char other[IF_NAMESIZE], why[PCAP_ERRBUF_SIZE];
	int index = (int)if_nametoindex(name);
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index
	};
	struct packet_mreq all = { .mr_ifindex = index, .mr_type = PACKET_MR_PROMISC };
	pcap_close(h->pcap);
	h->pcap = NULL;
	if (index == 0)
		return live_no_interface(d, name);
	if (!find_stand_in(name, other) || activate(h, other, o, false, why) < 0) {
		diag_add(d, DIAG_ERROR, name, 0, 0, "C022", "is down: ip link set %s up", name);
		return false;
	}
	if (!fanout_refuse(h->fd) || bind(h->fd, (struct sockaddr *)&to, sizeof to) != 0 ||
		(o->promiscuous &&
			setsockopt(h->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) != 0))
		return live_wrong(d, name, "C023", strerror(errno));
	h->is_down = true;
	return true;
}

/* The size of the socket's mapping (proc_pid_maps(5)): libpcap does not tell what the kernel gave it. */
static uint64_t ring_kib(int fd)
{
	struct stat st;
	char line[512];
	unsigned long long from, to, inode;
	uint64_t kib = 0;
	FILE *f = fstat(fd, &st) == 0 ? fopen("/proc/self/maps", "re") : NULL;
	while (f && kib == 0 && fgets(line, sizeof line, f))
		if (strstr(line, "socket:[") &&
			sscanf(line, "%llx-%llx %*s %*x %*s %llu", &from, &to, &inode) == 3 &&
			inode == st.st_ino && to > from)
			kib = (to - from) >> 10;
	if (f)
		fclose(f);
	return kib;
}

bool live_handle_open(struct live_handle *h, const char *name, const struct live_options *o, struct diag *d)
{
	char why[PCAP_ERRBUF_SIZE];
	*h = (struct live_handle){ .fd = -1 };
	int status = activate(h, name, o, o->promiscuous, why);
	if (!h->pcap)
		return live_wrong(d, name, "C023", *why ? why : "cannot be captured from");
	if (status == PCAP_ERROR_IFACE_NOT_UP) {
		if (!open_down(h, name, o, d))
			return false;
	} else if (status < 0) {
		return not_activated(d, name, status, h->pcap);
	}
	if (status == PCAP_WARNING_PROMISC_NOTSUP)
		diag_add(d, DIAG_WARNING, name, 0, 0, "C024",
			"knows no promiscuous mode: only what is sent to this host is seen");
	if (pcap_setnonblock(h->pcap, 1, why) != 0)
		return live_wrong(d, name, "C023", why);
	int link = pcap_datalink(h->pcap); /* of those that are decoded the DLT_ is the LINKTYPE_ */
	if (link < 0 || link > UINT16_MAX || !decode_knows_link((uint16_t)link)) {
		diag_add(d, DIAG_ERROR, name, 0, 0, "C025",
			"has link type %d, which is not decoded: Ethernet, raw IP, Linux cooked and loopback "
			"are",
			link);
		return false;
	}
	h->linktype = (uint16_t)link;
	h->ring_kib = ring_kib(h->fd);
	return fanout_refuse(h->fd) || live_wrong(d, name, "C023", strerror(errno));
}

/* ---- the filter -------------------------------------------------------------------------- */

bool live_filter_ok(const char *filter, char why[LIVE_WHY])
{
	static const int links[] = { DLT_EN10MB, DLT_RAW, DLT_LINUX_SLL };
	struct bpf_program f;
	bool ok = !*filter;
	for (size_t i = sizeof links / sizeof *links; i > 0 && !ok; i--) {
		pcap_t *p = pcap_open_dead(links[i - 1], 65535);
		ok = p && pcap_compile(p, &f, filter, 1, PCAP_NETMASK_UNKNOWN) == 0;
		if (ok)
			pcap_freecode(&f);
		else
			snprintf(why, LIVE_WHY, "%s", p ? pcap_geterr(p) : "no memory");
		if (p)
			pcap_close(p);
	}
	return ok;
}

bool live_handle_admit(const struct live_handle *h, const char *name, const char *filter, struct diag *d)
{
	struct bpf_program f;
	if (!filter || !*filter)
		return fanout_admit(h->fd) || live_wrong(d, name, "C023", strerror(errno));
	if (pcap_compile(h->pcap, &f, filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		diag_add(d, DIAG_ERROR, name, 0, 0, "C027", LIVE_FILTER_WRONG, filter, pcap_geterr(h->pcap));
		return false;
	}
	bool ok = pcap_setfilter(h->pcap, &f) == 0;
	pcap_freecode(&f);
	return ok || live_wrong(d, name, "C023", pcap_geterr(h->pcap));
}
