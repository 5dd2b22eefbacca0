/*
 * One SCTP association on usrsctp, driven by the tests of this directory.
 *
 *     peer [name=value]...
 *
 * It reads commands from standard input, one per line, and writes what happens to
 * standard output, one report per line. It ends, without a word to its SCTP peer,
 * when standard input does.
 *
 * Packets travel over a UDP socket on 127.0.0.1: one datagram is one SCTP packet. In
 * mode=conn the socket is ours and usrsctp sees an AF_CONN address; in mode=udp it is
 * usrsctp's own (RFC 6951).
 *
 * Commands that may block are carried out in order by a thread of their own, and
 * reported with "COMMAND-done":
 *
 *     connect | listen
 *     send SID STREAMS o|u POLICY VALUE COUNT SIZE SEQ
 *     reset SID...            outgoing streams
 *     resetin SID...          ask the peer to reset its outgoing streams
 *     add IN OUT              more streams
 *     resetassoc              all TSNs and sequence numbers
 *     shutdown
 *
 * The others are carried out at once:
 *
 *     peer PORT               UDP port of the peer; first of all
 *     pause | resume          reading
 *     heartbeat
 *     abort TEXT
 *     stats
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <usrsctp.h>

#define OUR_PORT 5001 /* of SCTP; not the peer's, whose address is ours in mode=udp */
#define PEER_PORT 5000
#define PPID 53
#define PIECE (256 << 10) /* read at a time */
#define MAX_STREAMS 64    /* named in one command */
#define ALL_STREAMS 65536

#ifndef SCTP_INTERLEAVING_SUPPORTED
#define SCTP_INTERLEAVING_SUPPORTED 0x00001206 /* the header leaves it out */
#endif

static struct option {
	const char *name;
	int value;
} options[] = {
	{"udp", 0}, /* local UDP port */
	{"rcvbuf", 1 << 20},
	{"sndbuf", 1 << 20},
	{"streams", 64}, /* outgoing; incoming ones are twice as many */
	{"rtomin", 100}, /* ms; also the initial RTO */
	{"rtomax", 1000},
	{"sackdelay", 20}, /* ms */
	{"heartbeat", 0}, /* interval in ms; 0 is none */
	{"mtu", 0}, /* 0 is what usrsctp thinks */
	{"nrsack", 0}, /* offers NR-SACK */
	{"interleave", 0}, /* offers I-DATA */
	{NULL, 0},
};

static int in_conn_mode = 1;
static int udp = -1;                /* our socket in mode=conn; its address names us to usrsctp */
static struct socket *sock;         /* of the association, once there is one */
static struct socket *listener;
static int commands[2];             /* a pipe: lines for the worker */

static pthread_mutex_t pausing = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t resumed = PTHREAD_COND_INITIALIZER;
static int paused;

/* Reports. */

static void say(const char *format, ...) {
	va_list args;

	flockfile(stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	funlockfile(stdout);
}

static void check(int result, const char *what) {
	if (result < 0)
		say("error %s: %s", what, strerror(errno));
}

static void need(int result, const char *what) {
	check(result, what);
	if (result < 0)
		exit(1);
}

static const char *hex(const uint8_t *p, size_t n) {
	static char text[2 * 512 + 1]; /* used by the reader only */
	size_t i;

	for (i = 0; i < n && i < 512; i++)
		sprintf(text + 2 * i, "%02x", p[i]);
	text[2 * i] = 0;
	return text;
}

static int option(const char *name) {
	struct option *o;

	for (o = options; o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return o->value;
	abort();
}

/* Packets, in mode=conn. */

static int output(void *address, void *packet, size_t n, uint8_t tos, uint8_t df) {
	(void)address, (void)tos, (void)df;
	if (send(udp, packet, n, 0) < 0) {
		/* Lost, as on any network. */
	}
	return 0;
}

static void *input(void *unused) {
	static char packet[1 << 16];

	for (;;) {
		ssize_t n = recv(udp, packet, sizeof(packet), 0);
		if (n > 0)
			usrsctp_conninput(&udp, packet, n, 0);
		else if (n < 0 && errno != ECONNREFUSED && errno != EINTR)
			return unused;
	}
}

static struct sockaddr_in loopback(int port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static void open_udp(void) {
	struct sockaddr_in a = loopback(option("udp"));
	int size = 4 << 20;

	need(udp = socket(AF_INET, SOCK_DGRAM, 0), "socket");
	setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	need(bind(udp, (struct sockaddr *)&a, sizeof(a)), "bind");
}

static void set_peer(int port) {
	struct sctp_udpencaps encaps = {.sue_port = htons(port)};
	struct sockaddr_in a = loopback(port);
	pthread_t thread;

	if (in_conn_mode) {
		static int reading;

		need(connect(udp, (struct sockaddr *)&a, sizeof(a)), "connect udp");
		if (!reading++)
			pthread_create(&thread, NULL, input, NULL);
		return;
	}
	encaps.sue_address.ss_family = AF_INET;
	need(usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_REMOTE_UDP_ENCAPS_PORT, &encaps, sizeof(encaps)), "encapsulation port");
}

/* The socket. */

static socklen_t address(struct sockaddr_storage *s, int port) {
	struct sockaddr_conn c = {.sconn_family = AF_CONN, .sconn_port = htons(port), .sconn_addr = &udp};
	struct sockaddr_in a = loopback(port);

	memset(s, 0, sizeof(*s));
	if (in_conn_mode) {
		memcpy(s, &c, sizeof(c));
		return sizeof(c);
	}
	memcpy(s, &a, sizeof(a));
	return sizeof(a);
}

static void set(int level, int name, const void *value, socklen_t n, const char *what) {
	need(usrsctp_setsockopt(sock, level, name, value, n), what);
}

static void open_sctp(void) {
	static const uint16_t events[] = {
		SCTP_ASSOC_CHANGE, SCTP_REMOTE_ERROR, SCTP_SEND_FAILED_EVENT, SCTP_SHUTDOWN_EVENT,
		SCTP_PARTIAL_DELIVERY_EVENT, SCTP_STREAM_RESET_EVENT, SCTP_STREAM_CHANGE_EVENT, SCTP_ASSOC_RESET_EVENT,
	};
	struct sctp_event event = {.se_assoc_id = SCTP_FUTURE_ASSOC, .se_on = 1};
	struct sctp_assoc_value reset = {.assoc_value = SCTP_ENABLE_VALUE_MASK};
	struct sctp_initmsg init = {.sinit_num_ostreams = option("streams"), .sinit_max_instreams = 2 * option("streams")};
	struct sctp_rtoinfo rto = {.srto_initial = option("rtomin"), .srto_min = option("rtomin"), .srto_max = option("rtomax")};
	struct sctp_sack_info sack = {.sack_delay = option("sackdelay"), .sack_freq = 2};
	struct sctp_paddrparams path = {.spp_hbinterval = option("heartbeat"), .spp_pathmtu = option("mtu")};
	struct sockaddr_storage a;
	socklen_t n = address(&a, OUR_PORT);
	int on = 1, size;
	size_t i;

	sock = usrsctp_socket(a.ss_family, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
	need(sock == NULL ? -1 : 0, "socket");
	for (i = 0; i < sizeof(events) / sizeof(*events); i++) {
		event.se_type = events[i];
		set(IPPROTO_SCTP, SCTP_EVENT, &event, sizeof(event), "event");
	}
	set(IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof(on), "rcvinfo");
	set(IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on), "nodelay");
	if (option("interleave")) {
		int level = 2; /* pieces of messages on several streams may be read in turn */
		struct sctp_assoc_value interleave = {.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = 1};

		set(IPPROTO_SCTP, SCTP_FRAGMENT_INTERLEAVE, &level, sizeof(level), "fragment interleave");
		set(IPPROTO_SCTP, SCTP_INTERLEAVING_SUPPORTED, &interleave, sizeof(interleave), "interleaving");
	}
	size = option("rcvbuf");
	set(SOL_SOCKET, SO_RCVBUF, &size, sizeof(size), "rcvbuf");
	size = option("sndbuf");
	set(SOL_SOCKET, SO_SNDBUF, &size, sizeof(size), "sndbuf");
	set(IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof(init), "initmsg");
	set(IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof(reset), "stream reset");
	set(IPPROTO_SCTP, SCTP_RTOINFO, &rto, sizeof(rto), "rtoinfo");
	set(IPPROTO_SCTP, SCTP_DELAYED_SACK, &sack, sizeof(sack), "delayed sack");
	path.spp_address.ss_family = a.ss_family;
	path.spp_flags = (option("heartbeat") ? SPP_HB_ENABLE : SPP_HB_DISABLE) | (option("mtu") ? SPP_PMTUD_DISABLE : 0);
	set(IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path), "peer address parameters");
	need(usrsctp_bind(sock, (struct sockaddr *)&a, n), "bind sctp");
}

/* Messages: a sequence number in four bytes, then noise that follows from it. */

static void fill(uint8_t *p, size_t n, uint32_t seq) {
	uint32_t x = seq * 2654435761u + 1;
	size_t i;

	for (i = 0; i < n; i++) {
		if (i < 4) {
			p[i] = seq >> (24 - 8 * i);
			continue;
		}
		x = x * 1664525u + 1013904223u;
		p[i] = x >> 24;
	}
}

/* The messages being read, one of each stream and kind. */
static struct message {
	uint64_t hash; /* FNV-1a */
	uint32_t seq;
	size_t n;
} messages[ALL_STREAMS][2];

static void add(struct message *m, const uint8_t *p, size_t n) {
	size_t i;

	if (m->n == 0) {
		m->hash = 0xcbf29ce484222325u;
		m->seq = 0;
	}
	for (i = 0; i < n; i++) {
		m->hash = (m->hash ^ p[i]) * 0x100000001b3u;
		if (m->n++ < 4)
			m->seq = m->seq << 8 | p[i];
	}
}

/* Notifications. */

static void association_changed(const struct sctp_assoc_change *c) {
	int in = c->sac_inbound_streams, out = c->sac_outbound_streams;
	const char *info = hex(c->sac_info, c->sac_length - sizeof(*c));

	switch (c->sac_state) {
	case SCTP_COMM_UP: say("up %d %d %s", in, out, info); break;
	case SCTP_RESTART: say("restart %d %d %s", in, out, info); break;
	case SCTP_COMM_LOST: say("lost %d %s", c->sac_error, info); break;
	case SCTP_SHUTDOWN_COMP: say("closed"); break;
	case SCTP_CANT_STR_ASSOC: say("failed %d %s", c->sac_error, info); break;
	}
}

static void streams_reset(const struct sctp_stream_reset_event *e) {
	size_t i, n = (e->strreset_length - sizeof(*e)) / sizeof(uint16_t);
	int flags = e->strreset_flags;

	flockfile(stdout);
	printf("reset-%s%s%s%s", flags & SCTP_STREAM_RESET_INCOMING_SSN ? "in" : "", flags & SCTP_STREAM_RESET_OUTGOING_SSN ? "out" : "",
	       flags & SCTP_STREAM_RESET_DENIED ? "-denied" : "", flags & SCTP_STREAM_RESET_FAILED ? "-failed" : "");
	for (i = 0; i < n; i++)
		printf(" %d", e->strreset_stream_list[i]);
	say("");
	funlockfile(stdout);
}

static void notified(const union sctp_notification *n) {
	const struct sctp_send_failed_event *failed = &n->sn_send_failed_event;
	const struct sctp_stream_change_event *change = &n->sn_strchange_event;
	const struct sctp_remote_error *error = &n->sn_remote_error;

	switch (n->sn_header.sn_type) {
	case SCTP_ASSOC_CHANGE:
		association_changed(&n->sn_assoc_change);
		break;
	case SCTP_STREAM_RESET_EVENT:
		streams_reset(&n->sn_strreset_event);
		break;
	case SCTP_STREAM_CHANGE_EVENT:
		say("streams %d %d %d", change->strchange_flags, change->strchange_instrms, change->strchange_outstrms);
		break;
	case SCTP_ASSOC_RESET_EVENT:
		say("assocreset %d", n->sn_assocreset_event.assocreset_flags);
		break;
	case SCTP_SEND_FAILED_EVENT:
		say("sendfailed %s %d", failed->ssfe_flags & SCTP_DATA_SENT ? "sent" : "unsent", failed->ssfe_info.snd_sid);
		break;
	case SCTP_REMOTE_ERROR:
		say("peererror %d %s", ntohs(error->sre_error), hex(error->sre_data, error->sre_length - sizeof(*error)));
		break;
	case SCTP_SHUTDOWN_EVENT:
		say("shutdown");
		break;
	case SCTP_PARTIAL_DELIVERY_EVENT:
		say("cut %d", n->sn_pdapi_event.pdapi_stream);
		memset(messages[n->sn_pdapi_event.pdapi_stream & 0xffff], 0, sizeof(messages[0]));
		break;
	}
}

/* Reading. */

static void wait_resumed(void) {
	pthread_mutex_lock(&pausing);
	while (paused)
		pthread_cond_wait(&resumed, &pausing);
	pthread_mutex_unlock(&pausing);
}

static void set_paused(int on) {
	pthread_mutex_lock(&pausing);
	paused = on;
	pthread_cond_broadcast(&resumed);
	pthread_mutex_unlock(&pausing);
}

static void *reader(void *unused) {
	static union {
		uint8_t data[PIECE];
		union sctp_notification notification;
	} buf;

	for (;;) {
		struct sctp_rcvinfo info = {0};
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from), info_len = sizeof(info);
		unsigned int info_type = 0;
		struct message *m;
		int flags = 0, unordered;
		ssize_t n;

		wait_resumed();
		n = usrsctp_recvv(sock, buf.data, sizeof(buf.data), (struct sockaddr *)&from, &from_len, &info, &info_len, &info_type, &flags);
		if (n <= 0) {
			say("end %s", n < 0 ? strerror(errno) : "");
			return unused;
		}
		if (flags & MSG_NOTIFICATION) {
			notified(&buf.notification);
			continue;
		}
		unordered = (info.rcv_flags & SCTP_UNORDERED) != 0;
		m = &messages[info.rcv_sid][unordered];
		add(m, buf.data, n);
		if (!(flags & MSG_EOR))
			continue;
		say("msg %d %u %c %zu %u %016llx", info.rcv_sid, ntohl(info.rcv_ppid), unordered ? 'u' : 'o',
		    m->n, m->seq, (unsigned long long)m->hash);
		m->n = 0;
	}
}

static void start_reader(void) {
	pthread_t thread;

	pthread_create(&thread, NULL, reader, NULL);
}

/* Commands of the worker. */

static void do_connect(void) {
	struct sockaddr_storage a;
	socklen_t n = address(&a, PEER_PORT);

	need(usrsctp_connect(sock, (struct sockaddr *)&a, n), "connect");
	start_reader();
}

static void do_listen(void) {
	listener = sock;
	need(usrsctp_listen(listener, 1), "listen");
	say("listening");
	sock = usrsctp_accept(listener, NULL, NULL);
	need(sock == NULL ? -1 : 0, "accept");
	start_reader();
}

static void do_send(const char *args) {
	struct sctp_sendv_spa spa = {.sendv_flags = SCTP_SEND_SNDINFO_VALID};
	unsigned int sid, streams, policy, value, count, size, seq, i;
	char order;
	uint8_t *buf;

	if (sscanf(args, "%u %u %c %u %u %u %u %u", &sid, &streams, &order, &policy, &value, &count, &size, &seq) != 8) {
		say("error send: cannot read %s", args);
		return;
	}
	buf = malloc(size);
	spa.sendv_sndinfo.snd_ppid = htonl(PPID);
	spa.sendv_sndinfo.snd_flags = order == 'u' ? SCTP_UNORDERED : 0;
	if (policy != SCTP_PR_SCTP_NONE) {
		spa.sendv_flags |= SCTP_SEND_PRINFO_VALID;
		spa.sendv_prinfo.pr_policy = policy;
		spa.sendv_prinfo.pr_value = value;
	}
	for (i = 0; i < count; i++) {
		fill(buf, size, seq + i);
		spa.sendv_sndinfo.snd_sid = sid + i % streams;
		if (usrsctp_sendv(sock, buf, size, NULL, 0, &spa, sizeof(spa), SCTP_SENDV_SPA, 0) < 0) {
			check(-1, "send");
			break;
		}
	}
	free(buf);
}

static void do_reset(char *args, int direction) {
	union {
		struct sctp_reset_streams request;
		uint8_t space[sizeof(struct sctp_reset_streams) + MAX_STREAMS * sizeof(uint16_t)];
	} r = {.space = {0}};
	struct sctp_reset_streams *request = &r.request;
	char *word, *rest;
	int n = 0;

	request->srs_flags = direction;
	for (word = strtok_r(args, " ", &rest); word != NULL && n < MAX_STREAMS; word = strtok_r(NULL, " ", &rest))
		request->srs_stream_list[n++] = atoi(word);
	request->srs_number_streams = n;
	check(usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_RESET_STREAMS, request, sizeof(*request) + n * sizeof(uint16_t)), "reset");
}

static void do_add(const char *args) {
	struct sctp_add_streams request = {0};

	if (sscanf(args, "%hu %hu", &request.sas_instrms, &request.sas_outstrms) == 2)
		check(usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_ADD_STREAMS, &request, sizeof(request)), "add");
}

static void do_resetassoc(void) {
	sctp_assoc_t id = 0;

	check(usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_RESET_ASSOC, &id, sizeof(id)), "resetassoc");
}

static void *worker(void *unused) {
	FILE *lines = fdopen(commands[0], "r");
	char line[4096], *args;

	while (fgets(line, sizeof(line), lines) != NULL) {
		line[strcspn(line, "\n")] = 0;
		args = line + strcspn(line, " ");
		if (*args != 0)
			*args++ = 0;
		if (strcmp(line, "connect") == 0)
			do_connect();
		else if (strcmp(line, "listen") == 0)
			do_listen();
		else if (strcmp(line, "send") == 0)
			do_send(args);
		else if (strcmp(line, "reset") == 0)
			do_reset(args, SCTP_STREAM_RESET_OUTGOING);
		else if (strcmp(line, "resetin") == 0)
			do_reset(args, SCTP_STREAM_RESET_INCOMING);
		else if (strcmp(line, "add") == 0)
			do_add(args);
		else if (strcmp(line, "resetassoc") == 0)
			do_resetassoc();
		else if (strcmp(line, "shutdown") == 0)
			check(usrsctp_shutdown(sock, SHUT_WR), "shutdown");
		else
			say("error unknown command %s", line);
		say("%s-done", line);
	}
	return unused;
}

/* Commands carried out at once. */

static void do_abort(const char *text) {
	struct sctp_sndinfo info = {.snd_flags = SCTP_ABORT};

	check(usrsctp_sendv(sock, text, strlen(text), NULL, 0, &info, sizeof(info), SCTP_SENDV_SNDINFO, 0), "abort");
}

static void do_heartbeat(void) {
	struct sctp_paddrparams path = {.spp_flags = SPP_HB_DEMAND};

	address(&path.spp_address, PEER_PORT);
	check(usrsctp_setsockopt(sock, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path)), "heartbeat");
}

static void do_stats(void) {
	struct sctpstat s;

	usrsctp_get_stat(&s);
	say("stats badsum %u badtag %u ootb %u heartbeats %u acks %u retransmitted %u duplicates %u", s.sctps_badsum, s.sctps_badvtag, s.sctps_outoftheblue, s.sctps_recvheartbeat, s.sctps_recvheartbeatack, s.sctps_sendretransdata, s.sctps_recvdupdata);
}

static void parse_options(int argc, char **argv) {
	struct option *o;
	char *value;
	int i;

	for (i = 1; i < argc; i++) {
		value = strchr(argv[i], '=');
		if (value == NULL)
			exit(2);
		*value++ = 0;
		if (strcmp(argv[i], "mode") == 0) {
			in_conn_mode = strcmp(value, "conn") == 0;
			continue;
		}
		for (o = options; o->name != NULL && strcmp(o->name, argv[i]) != 0; o++)
			;
		if (o->name == NULL)
			exit(2);
		o->value = atoi(value);
	}
}

static void debug(const char *format, ...) {
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

int main(int argc, char **argv) {
	char line[4096];
	pthread_t thread;

	parse_options(argc, argv);
	if (in_conn_mode) {
		open_udp();
		usrsctp_init(0, output, debug);
		usrsctp_register_address(&udp);
	} else {
		usrsctp_init(option("udp"), NULL, debug);
	}
	/* Aborts that usrsctp decides on say why, under a cause code that is free. */
	usrsctp_sysctl_set_sctp_diag_info_code(0xff00);
	usrsctp_sysctl_set_sctp_shutdown_guard_time_default(600); /* s; bad networks take their time */
	/* By default no checksum between loopback addresses is verified. */
	usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
	usrsctp_sysctl_set_sctp_nrsack_enable(option("nrsack"));
	open_sctp();
	need(pipe(commands), "pipe");
	pthread_create(&thread, NULL, worker, NULL);
	say("ready");

	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "peer ", 5) == 0) {
			set_peer(atoi(line + 5));
		} else if (strcmp(line, "pause") == 0) {
			set_paused(1);
		} else if (strcmp(line, "resume") == 0) {
			set_paused(0);
		} else if (strcmp(line, "heartbeat") == 0) {
			do_heartbeat();
		} else if (strncmp(line, "abort ", 6) == 0) {
			do_abort(line + 6);
		} else if (strcmp(line, "stats") == 0) {
			do_stats();
		} else {
			strcat(line, "\n");
			if (write(commands[1], line, strlen(line)) < 0)
				check(-1, "write");
		}
	}
	_exit(0);
}
