/* read: the floor of every sensor: libpcap hands over each packet, and nothing is done with it. */
#include <pcap.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const u_char *data;
	unsigned long long packets = 0, bytes = 0;
	pcap_t *in = argc == 2 ? pcap_open_offline(argv[1], why) : NULL;
	if (!in)
		return 1;
	while (pcap_next_ex(in, &head, &data) == 1) {
		packets++;
		bytes += head->len;
	}
	pcap_close(in);
	printf("%llu packets, %llu bytes\n", packets, bytes);
	return 0;
}
