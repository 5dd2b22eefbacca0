/*
 * One piece of work between two ends of usrsctp, both in this process, and what it took
 * as one line. Arguments and line are those of ../peer/main.go:
 *
 *     usrsctp usrsctp memory|udp bulk|pingpong|setup|idle [size=] [streams=] [seconds=] [count=]
 *     usrsctp engine memory bulk|pingpong|setup|idle [size=] [streams=] [buffer=] [seconds=] [count=]
 *     usrsctp usrsctp link bulk [size=] [buffer=] [seconds=] [loss=]
 *     usrsctp raw udp pingpong [seconds=]
 *     usrsctp usrsctp|raw apart pingpong [seconds=]
 *
 * "apart" is over UDP, and the end that answers a process of its own.
 * In memory each end has a queue of packets and a thread that feeds them to usrsctp
 * (AF_CONN). The link is such a queue, out of which packets come late, and some do not. Over UDP
 * both ends share usrsctp's own socket (RFC 6951). The sender and the receiver of messages are
 * threads, too, with blocking sockets. The "engine" is usrsctp without threads: packets are carried from one
 * end to the other by hand, and where both wait for time to pass, usrsctp's clock is advanced.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <usrsctp.h>

#define PACKET_SIZE 1200
#define BUFFER_SIZE (1 << 20)
#define MAX_MESSAGE (256 << 10)
#define MAX_STREAMS 64
#define MAX_TIMES (1 << 20)
#define LISTEN_PORT 5000 /* of SCTP */
#define PATIENCE 20      /* s until something that does not arrive is given up */

static struct {
	int size, streams, count, buffer;
	double seconds, loss;
} job = {64, 1, 100, BUFFER_SIZE, 1, 0};

static int in_memory, over_link, by_hand;
static int udp_port = 19899, peer_udp_port = 19899;

static void fail(const char *format, ...) {
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	_exit(1);
}

static void need(int result, const char *what) {
	if (result < 0)
		fail("%s: %s", what, strerror(errno));
}

static void start_thread(void *(*f)(void *), void *argument) {
	pthread_t thread;

	if (pthread_create(&thread, NULL, f, argument) != 0)
		fail("no thread");
}

/* Measuring. */

static double now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static pid_t other; /* a process whose time counts, too; 0 if there is none */

static double cpu(void) {
	struct rusage u;
	struct timespec t = {0};
	clockid_t clock;

	getrusage(RUSAGE_SELF, &u);
	if (other != 0 && (clock_getcpuclockid(other, &clock) != 0 || clock_gettime(clock, &t) != 0))
		fail("no clock of the other process");
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6 + t.tv_sec + t.tv_nsec / 1e9;
}

/* Allocations are counted by each thread for itself, so that counting them costs nothing. */

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t); /* glibc's */

#define MAX_THREADS 64
static struct { uint64_t n, padding[7]; } counters[MAX_THREADS];
static int n_counters;

static void count_allocation(void) {
	static __thread uint64_t *own;

	if (own == NULL)
		own = &counters[__atomic_fetch_add(&n_counters, 1, __ATOMIC_RELAXED) % MAX_THREADS].n;
	++*own;
}

void *malloc(size_t n) {
	count_allocation();
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
	count_allocation();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
	count_allocation();
	return __libc_realloc(p, n);
}

static uint64_t allocations(void) {
	uint64_t all = 0;
	int i;

	for (i = 0; i < MAX_THREADS; i++)
		all += __atomic_load_n(&counters[i].n, __ATOMIC_RELAXED);
	return all;
}

static double begun, cpu_begun;
static uint64_t allocations_begun;

static void start_meter(void) {
	allocations_begun = allocations();
	cpu_begun = cpu();
	begun = now();
}

static void report(uint64_t messages, uint64_t bytes) {
	printf("messages=%llu bytes=%llu seconds=%.9f cpu=%.9f allocations=%llu", (unsigned long long)messages, (unsigned long long)bytes,
	       now() - begun, cpu() - cpu_begun, (unsigned long long)(allocations() - allocations_begun));
}

static double times[MAX_TIMES]; /* s */
static int n_times;

static void add_time(double t) {
	if (n_times < MAX_TIMES)
		times[n_times++] = t;
}

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report_quantiles(void) {
	static const struct { const char *name; double at; } quantiles[] = {
		{"q10", .1}, {"q25", .25}, {"q50", .5}, {"q75", .75}, {"q90", .9}, {"q95", .95}, {"q99", .99}, {"q999", .999},
	};
	size_t i;

	qsort(times, n_times, sizeof(*times), ascending);
	for (i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++)
		printf(" %s=%.3f", quantiles[i].name, times[(int)(quantiles[i].at * n_times)] * 1e6);
}

static double resident(void) {
	long total, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%ld %ld", &total, &pages) != 2)
		fail("no /proc/self/statm");
	fclose(f);
	return (double)pages * sysconf(_SC_PAGESIZE);
}

/* Packets in memory: what an end sends is put into the queue of the other. */

struct packet {
	struct packet *next;
	double due; /* s; over the link */
	size_t n;
	uint8_t data[2048];
};

static struct end {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct packet *first, **last;
	struct packet *free;
	double idle; /* since when the link to it has nothing to send */
} ends[2];

/* The link of ../net_test.go: 100 Mbit/s, 50 ms there and back, a queue of 250 KB; nothing is lost
 * on the way back. */
#define LATENCY 0.025
#define RATE 12.5e6
#define QUEUE 250e3

/* passes says when a packet arrives at an end, and whether it does. */
static int passes(struct end *to, size_t n, double *due) {
	static uint64_t dice = 0x9E3779B97F4A7C15;
	double at = now();

	if (to == &ends[0]) {
		*due = at + LATENCY;
		return 1;
	}
	if (to->idle < at)
		to->idle = at;
	if ((to->idle - at) * RATE > QUEUE)
		return 0;
	to->idle += n / RATE;
	*due = to->idle + LATENCY;
	dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17; /* xorshift64 */
	return (dice >> 11) / 9007199254740992. >= job.loss;
}

static int output(void *address, void *data, size_t n, uint8_t tos, uint8_t df) {
	struct end *to = address == &ends[0] ? &ends[1] : &ends[0];
	struct packet *p;
	double due = 0;

	(void)tos, (void)df;
	if (n > sizeof(p->data))
		return 0; /* lost: larger than the MTU */
	pthread_mutex_lock(&to->lock);
	if (over_link && !passes(to, n, &due)) {
		pthread_mutex_unlock(&to->lock);
		return 0;
	}
	p = to->free;
	if (p != NULL)
		to->free = p->next;
	else
		p = malloc(sizeof(*p));
	memcpy(p->data, data, n);
	p->n = n;
	p->due = due;
	p->next = NULL;
	*to->last = p;
	to->last = &p->next;
	pthread_cond_signal(&to->more);
	pthread_mutex_unlock(&to->lock);
	return 0;
}

/* input_next feeds the next packet of the queue, which is locked and not empty, to usrsctp. */
static void input_next(struct end *e) {
	struct packet *p = e->first;

	e->first = p->next;
	if (e->first == NULL)
		e->last = &e->first;
	pthread_mutex_unlock(&e->lock);
	if (over_link) {
		struct timespec at = {p->due, fmod(p->due, 1) * 1e9};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
	usrsctp_conninput(e, p->data, p->n, 0);
	pthread_mutex_lock(&e->lock);
	p->next = e->free;
	e->free = p;
}

static void *input(void *argument) {
	struct end *e = argument;

	pthread_mutex_lock(&e->lock);
	for (;;) {
		while (e->first == NULL)
			pthread_cond_wait(&e->more, &e->lock);
		input_next(e);
	}
	return NULL;
}

static void debug(const char *format, ...) { (void)format; }

static void start_usrsctp(void) {
	int i;

	if (!in_memory)
		usrsctp_init(udp_port, NULL, debug);
	else if (by_hand)
		usrsctp_init_nothreads(0, output, debug);
	else
		usrsctp_init(0, output, debug);
	for (i = 0; in_memory && i < 2; i++) {
		pthread_mutex_init(&ends[i].lock, NULL);
		pthread_cond_init(&ends[i].more, NULL);
		ends[i].last = &ends[i].first;
		usrsctp_register_address(&ends[i]);
		if (!by_hand)
			start_thread(input, &ends[i]);
	}
	usrsctp_sysctl_set_sctp_no_csum_on_loopback(0); /* checksums are verified on loopback, too */
	usrsctp_sysctl_set_sctp_ecn_enable(0);
}

/* Sockets. */

static socklen_t address(struct sockaddr_storage *s, int end, int port) {
	struct sockaddr_conn c = {.sconn_family = AF_CONN, .sconn_port = htons(port), .sconn_addr = &ends[end]};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	memset(s, 0, sizeof(*s));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (in_memory)
		memcpy(s, &c, sizeof(c));
	else
		memcpy(s, &a, sizeof(a));
	return in_memory ? sizeof(c) : sizeof(a);
}

static void set(struct socket *s, int level, int name, const void *value, socklen_t n, const char *what) {
	need(usrsctp_setsockopt(s, level, name, value, n), what);
}

static struct socket *open_socket(int end, int port) {
	struct sctp_initmsg init = {.sinit_num_ostreams = MAX_STREAMS, .sinit_max_instreams = MAX_STREAMS};
	struct sctp_udpencaps encaps = {.sue_port = htons(peer_udp_port)};
	/* usrsctp leaves headers out of it, also the common one. */
	struct sctp_paddrparams path = {.spp_flags = SPP_PMTUD_DISABLE, .spp_pathmtu = PACKET_SIZE - 12};
	struct linger linger = {1, 0}; /* close aborts */
	struct sockaddr_storage a;
	socklen_t n = address(&a, end, port);
	struct socket *s = usrsctp_socket(a.ss_family, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
	int on = 1, size = job.buffer;

	need(s == NULL ? -1 : 0, "socket");
	set(s, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof(on), "rcvinfo");
	set(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on), "nodelay");
	set(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size), "rcvbuf");
	set(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size), "sndbuf");
	set(s, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger), "linger");
	set(s, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof(init), "initmsg");
	path.spp_address.ss_family = a.ss_family;
	set(s, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path), "path parameters");
	if (!in_memory) {
		encaps.sue_address.ss_family = AF_INET;
		set(s, IPPROTO_SCTP, SCTP_REMOTE_UDP_ENCAPS_PORT, &encaps, sizeof(encaps), "encapsulation port");
	}
	need(usrsctp_bind(s, (struct sockaddr *)&a, n), "bind");
	if (by_hand)
		need(usrsctp_set_non_blocking(s, 1), "non-blocking");
	return s;
}

static struct socket *listener;

static void start_listener(void) {
	listener = open_socket(1, LISTEN_PORT);
	need(usrsctp_listen(listener, 1024), "listen");
}

static struct socket *connect_socket(void) {
	struct sockaddr_storage to;
	/* Seen from end 0 everything comes from the address of end 0. */
	socklen_t n = address(&to, 0, LISTEN_PORT);
	struct socket *s = open_socket(0, 0);

	if (usrsctp_connect(s, (struct sockaddr *)&to, n) < 0 && errno != EINPROGRESS)
		need(-1, "connect");
	return s;
}

static struct socket *accept_socket(void) {
	struct socket *s = usrsctp_accept(listener, NULL, NULL);

	need(s == NULL ? -1 : 0, "accept");
	return s;
}

/* Without threads: what else they do. */

#define PACKETS_AT_ONCE 32 /* in one direction, before the other side has its turn */

/* carry has some of the packets for an end come in. */
static int carry(struct end *to) {
	int n;

	pthread_mutex_lock(&to->lock);
	for (n = 0; n < PACKETS_AT_ONCE && to->first != NULL; n++)
		input_next(to);
	pthread_mutex_unlock(&to->lock);
	return n;
}

/* tick tells usrsctp of the time that has passed since it was last told. */
static void tick(void) {
	static double told;
	double at = now();
	uint32_t passed;

	if (told == 0)
		told = at;
	passed = (at - told) * 1e3;
	if (passed > 0) {
		usrsctp_handle_timers(passed);
		told += passed / 1e3;
	}
}

/* skip lets time pass until a timer has something sent. */
static void skip(void) {
	int i;

	for (i = 0; ends[0].first == NULL && ends[1].first == NULL; i++) {
		if (i == PATIENCE * 1000)
			fail("nothing goes on");
		usrsctp_handle_timers(1);
	}
}

static void settle(void) {
	while (carry(&ends[1]) + carry(&ends[0]) > 0)
		;
}

/* connect_pair makes an association: a, the end that connects, and b. */
static void connect_pair(struct socket **a, struct socket **b) {
	*a = connect_socket();
	if (by_hand)
		settle();
	*b = accept_socket();
	if (by_hand)
		need(usrsctp_set_non_blocking(*b, 1), "non-blocking");
}

/* try_to_send returns 0 if there is no room, and sockets do not wait for it. */
static int try_to_send(struct socket *s, int stream, const uint8_t *p, size_t n) {
	struct sctp_sndinfo info = {.snd_sid = stream, .snd_ppid = htonl(53)};
	ssize_t sent = usrsctp_sendv(s, p, n, NULL, 0, &info, sizeof(info), SCTP_SENDV_SNDINFO, 0);

	if (sent < 0 && errno == EWOULDBLOCK)
		return 0;
	if (sent != (ssize_t)n)
		fail("send: %s", strerror(errno));
	return 1;
}

static void send_message(struct socket *s, int stream, const uint8_t *p, size_t n) {
	if (!try_to_send(s, stream, p, n))
		fail("send: no room");
}

/* The message of each stream that is being read; there may be several pieces. */
struct inbox {
	uint8_t data[MAX_MESSAGE + 1];
	size_t n;
};

/* receive returns the next complete message, or NULL at the end, and where sockets do not wait if there is none. */
static struct inbox *receive(struct socket *s, struct inbox *inboxes, int *stream) {
	static __thread struct inbox *done;

	if (done != NULL)
		done->n = 0;
	done = NULL;
	for (;;) {
		static __thread uint8_t piece[MAX_MESSAGE + 1];
		struct sctp_rcvinfo info = {0};
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from), info_len = sizeof(info);
		unsigned int info_type = 0;
		struct inbox *in;
		int flags = 0;
		/* With one stream the pieces go where they belong at once. */
		uint8_t *at = job.streams == 1 ? inboxes[0].data + inboxes[0].n : piece;
		size_t room = job.streams == 1 ? sizeof(inboxes[0].data) - inboxes[0].n : sizeof(piece);
		ssize_t n = usrsctp_recvv(s, at, room, (struct sockaddr *)&from, &from_len, &info, &info_len, &info_type, &flags);

		if (n <= 0)
			return NULL;
		if (flags & MSG_NOTIFICATION)
			continue;
		if (info.rcv_sid >= job.streams)
			fail("a message on stream %d", info.rcv_sid);
		in = &inboxes[info.rcv_sid];
		if (in->n + n > sizeof(in->data))
			fail("a message too long");
		if (at == piece)
			memcpy(in->data + in->n, piece, n);
		in->n += n;
		if (!(flags & MSG_EOR))
			continue;
		*stream = info.rcv_sid;
		done = in;
		return in;
	}
}

static void put64(uint8_t *p, uint64_t x) {
	x = __builtin_bswap64(x);
	memcpy(p, &x, sizeof(x));
}

static uint64_t get64(const uint8_t *p) {
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return __builtin_bswap64(x);
}

static void stamp(uint8_t *p, uint64_t number) {
	put64(p + job.size - 8, number);
	put64(p, number);
}

static int is_stamped(const struct inbox *in, uint64_t number) {
	return in->n == (size_t)job.size && get64(in->data) == number && get64(in->data + job.size - 8) == number;
}

/* Messages one way. */

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t counted = PTHREAD_COND_INITIALIZER;
static uint64_t arrived, wanted = UINT64_MAX; /* atomically read and written */

static void *count_messages(void *argument) {
	struct inbox *inboxes = calloc(job.streams, sizeof(*inboxes)), *in;
	uint64_t next[MAX_STREAMS] = {0};
	int stream;

	while ((in = receive(argument, inboxes, &stream)) != NULL) {
		if (!is_stamped(in, next[stream]++))
			fail("on stream %d not message %llu", stream, (unsigned long long)next[stream] - 1);
		if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == __atomic_load_n(&wanted, __ATOMIC_SEQ_CST)) {
			pthread_mutex_lock(&counting);
			pthread_cond_signal(&counted);
			pthread_mutex_unlock(&counting);
		}
	}
	return NULL;
}

static void await_messages(uint64_t n) {
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE;
	pthread_mutex_lock(&counting);
	__atomic_store_n(&wanted, n, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < n)
		if (pthread_cond_timedwait(&counted, &counting, &until) != 0)
			fail("%llu messages arrived of %llu", (unsigned long long)arrived, (unsigned long long)n);
	__atomic_store_n(&wanted, UINT64_MAX, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&counting);
}

static double warm_up(void) { return job.seconds / 3 < .2 ? job.seconds / 3 : .2; }

static void bulk(void) {
	static uint8_t message[MAX_MESSAGE];
	struct socket *a, *b;
	uint64_t sent = 0, before;
	double until;

	connect_pair(&a, &b);
	start_thread(count_messages, b);
	for (until = now() + warm_up(); now() < until; sent++) {
		stamp(message, sent / job.streams);
		send_message(a, sent % job.streams, message, job.size);
	}
	await_messages(sent);
	before = sent;
	start_meter();
	for (until = now() + job.seconds; now() < until; sent++) {
		stamp(message, sent / job.streams);
		send_message(a, sent % job.streams, message, job.size);
	}
	await_messages(sent);
	report(sent - before, (sent - before) * job.size);
}

/* Messages one way over the link: what arrives in a time after connecting. */

static void *send_for_ever(void *argument) {
	static uint8_t message[MAX_MESSAGE];
	uint64_t sent;

	for (sent = 0;; sent++) {
		stamp(message, sent);
		send_message(argument, 0, message, job.size);
	}
	return NULL;
}

static void link_bulk(void) {
	struct socket *a, *b;
	struct timespec at;
	uint64_t n;

	connect_pair(&a, &b);
	start_thread(count_messages, b);
	start_meter();
	start_thread(send_for_ever, a);
	at = (struct timespec){job.seconds, fmod(job.seconds, 1) * 1e9};
	clock_nanosleep(CLOCK_MONOTONIC, 0, &at, NULL);
	n = __atomic_load_n(&arrived, __ATOMIC_SEQ_CST);
	report(n, n * job.size);
}

/* There and back. */

static void *answer(void *argument) {
	struct inbox *inboxes = calloc(1, sizeof(*inboxes)), *in;
	int stream;

	while ((in = receive(argument, inboxes, &stream)) != NULL)
		send_message(argument, stream, in->data, in->n);
	return NULL;
}

/* ask sends a message and returns what comes back. */
static struct inbox *ask(struct socket *a, struct inbox *inboxes, const uint8_t *message) {
	int stream;

	send_message(a, 0, message, job.size);
	return receive(a, inboxes, &stream);
}

static struct socket *answering; /* without threads: the end that answers */

/* take_one returns a message if there is one. */
static struct inbox *take_one(struct socket *s, struct inbox *inboxes) {
	int stream;

	return usrsctp_get_events(s) & SCTP_EVENT_READ ? receive(s, inboxes, &stream) : NULL;
}

/* ask_by_hand is ask without threads. */
static struct inbox *ask_by_hand(struct socket *a, struct inbox *inboxes, const uint8_t *message) {
	static struct inbox question;
	struct inbox *in;
	int moved;

	send_message(a, 0, message, job.size);
	for (;;) {
		moved = carry(&ends[1]);
		if ((in = take_one(answering, &question)) != NULL)
			send_message(answering, 0, in->data, in->n);
		moved += carry(&ends[0]);
		in = take_one(a, inboxes);
		tick();
		if (in != NULL)
			return in;
		if (moved == 0)
			skip();
	}
}

static void bounce(struct socket *a) {
	static uint8_t message[MAX_MESSAGE];
	struct inbox *inboxes = calloc(1, sizeof(*inboxes)), *in;
	double until, at;
	int warm = 1;
	uint64_t n = 0;

	for (until = now() + warm_up();; n++) {
		at = now();
		if (at > until) {
			if (!warm)
				break;
			warm = 0;
			start_meter();
			until = at + job.seconds;
		}
		stamp(message, n);
		in = (by_hand ? ask_by_hand : ask)(a, inboxes, message);
		if (in == NULL || !is_stamped(in, n))
			fail("ping %llu did not come back", (unsigned long long)n);
		if (!warm)
			add_time(now() - at);
	}
	report(n_times, (uint64_t)n_times * job.size);
	report_quantiles();
}

static void ping_pong(void) {
	struct socket *a, *b;

	connect_pair(&a, &b);
	answering = b;
	if (!by_hand)
		start_thread(answer, b);
	bounce(a);
}

/* Messages one way without threads. */

static void bulk_by_hand(void) {
	static uint8_t message[MAX_MESSAGE];
	struct inbox *inboxes = calloc(job.streams, sizeof(*inboxes)), *in;
	struct socket *a, *b;
	uint64_t sent = 0, got = 0, before = 0, next[MAX_STREAMS] = {0};
	double until;
	int warm, stream, moved, over;

	connect_pair(&a, &b);
	for (warm = 1; warm >= 0; warm--) {
		if (!warm) {
			before = sent;
			start_meter();
		}
		until = now() + (warm ? warm_up() : job.seconds);
		for (;;) {
			over = now() > until;
			while (!over) {
				stamp(message, sent / job.streams);
				if (!try_to_send(a, sent % job.streams, message, job.size))
					break;
				sent++;
			}
			moved = carry(&ends[1]);
			while ((usrsctp_get_events(b) & SCTP_EVENT_READ) && (in = receive(b, inboxes, &stream)) != NULL) {
				if (!is_stamped(in, next[stream]++))
					fail("on stream %d not message %llu", stream, (unsigned long long)next[stream] - 1);
				got++;
			}
			moved += carry(&ends[0]);
			tick();
			if (moved == 0) {
				if (over && got == sent)
					break;
				skip();
			}
		}
	}
	report(sent - before, (sent - before) * job.size);
}

/* fork_other starts the other process, which runs prepare, and f from when that is done on. */
static void fork_other(void (*prepare)(void), void (*f)(void)) {
	int ready[2];
	char c = 0;

	need(pipe(ready), "pipe");
	need(other = fork(), "fork");
	if (other == 0) {
		prepare();
		need(write(ready[1], &c, 1), "write");
		f();
		_exit(0);
	}
	need(read(ready[0], &c, 1), "read");
}

static void answer_other(void) { answer(accept_socket()); }

static void start_answering(void) {
	start_usrsctp();
	start_listener();
}

static void apart_ping_pong(void) {
	fork_other(start_answering, answer_other);
	udp_port++;
	start_usrsctp();
	bounce(connect_socket());
	kill(other, SIGKILL);
}

/* Connections. */

static void set_up(void) {
	struct socket *a, *b;
	double until = now() + job.seconds, at;

	start_meter();
	while (now() < until) {
		at = now();
		connect_pair(&a, &b);
		add_time(now() - at);
		usrsctp_close(a);
		usrsctp_close(b);
		if (by_hand) {
			settle();
			tick();
		}
	}
	report(n_times, 0);
	report_quantiles();
}

static void idle(void) {
	struct socket *a, *b;
	double before;
	int i;

	connect_pair(&a, &b); /* what is allocated once is */
	before = resident();
	for (i = 0; i < job.count; i++)
		connect_pair(&a, &b);
	if (by_hand) {
		usrsctp_handle_timers(1000);
		settle();
	} else {
		sleep(1);
	}
	malloc_trim(0);
	printf("ends=%d memory=%.0f goroutines=0", 2 * job.count, (resident() - before) / (2 * job.count));
}

/* UDP without a protocol: two sockets, a thread for each, all calls block. */

static int udp_sockets[2];

static void *answer_udp(void *unused) {
	uint8_t buf[2048];
	ssize_t n;

	while ((n = recv(udp_sockets[1], buf, sizeof(buf), 0)) > 0)
		need(send(udp_sockets[1], buf, n, 0), "send");
	return unused;
}

static void nothing(void) {}

static void answer_raw(void) { answer_udp(NULL); }

static void raw_ping_pong(int apart) {
	struct sockaddr_in a[2];
	socklen_t n = sizeof(*a);
	uint8_t buf[2048] = {0};
	double until, at;
	int i;

	memset(a, 0, sizeof(a));
	for (i = 0; i < 2; i++) {
		a[i].sin_family = AF_INET;
		a[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		need(udp_sockets[i] = socket(AF_INET, SOCK_DGRAM, 0), "socket");
		need(bind(udp_sockets[i], (struct sockaddr *)&a[i], n), "bind");
		need(getsockname(udp_sockets[i], (struct sockaddr *)&a[i], &n), "getsockname");
	}
	for (i = 0; i < 2; i++)
		need(connect(udp_sockets[i], (struct sockaddr *)&a[1 - i], n), "connect");
	if (apart)
		fork_other(nothing, answer_raw);
	else
		start_thread(answer_udp, NULL);
	start_meter();
	for (until = now() + job.seconds; (at = now()) < until;) {
		need(send(udp_sockets[0], buf, job.size, 0), "send");
		need(recv(udp_sockets[0], buf, sizeof(buf), 0), "recv");
		add_time(now() - at);
	}
	report(n_times, (uint64_t)n_times * job.size);
	report_quantiles();
	if (apart)
		kill(other, SIGKILL);
}

int main(int argc, char **argv) {
	static const struct { const char *name; void (*run)(void); } works[] = {
		{"bulk", bulk}, {"pingpong", ping_pong}, {"setup", set_up}, {"idle", idle},
	};
	double value;
	char name[16];
	size_t w;
	int i, apart;

	if (argc < 4)
		fail("usage: usrsctp STACK NET WORK [name=value]...");
	for (i = 4; i < argc; i++) {
		if (sscanf(argv[i], "%15[a-z]=%lf", name, &value) != 2)
			fail("argument %s", argv[i]);
		if (strcmp(name, "size") == 0)
			job.size = value;
		else if (strcmp(name, "streams") == 0)
			job.streams = value;
		else if (strcmp(name, "count") == 0)
			job.count = value;
		else if (strcmp(name, "buffer") == 0)
			job.buffer = value;
		else if (strcmp(name, "seconds") == 0)
			job.seconds = value;
		else if (strcmp(name, "loss") == 0)
			job.loss = value;
		else
			fail("argument %s", argv[i]);
	}
	if (job.size < 16 || job.size > MAX_MESSAGE || job.streams < 1 || job.streams > MAX_STREAMS)
		fail("size or streams");
	over_link = strcmp(argv[2], "link") == 0;
	in_memory = over_link || strcmp(argv[2], "memory") == 0;
	apart = strcmp(argv[2], "apart") == 0;
	by_hand = strcmp(argv[1], "engine") == 0;
	if (strcmp(argv[1], "raw") == 0) {
		raw_ping_pong(apart);
	} else if (apart && strcmp(argv[3], "pingpong") == 0) {
		apart_ping_pong();
	} else if (over_link) {
		start_usrsctp();
		start_listener();
		link_bulk();
	} else {
		for (w = 0; w < sizeof(works) / sizeof(*works) && strcmp(works[w].name, argv[3]) != 0; w++)
			;
		if (w == sizeof(works) / sizeof(*works))
			fail("no work %s", argv[3]);
		start_usrsctp();
		start_listener();
		if (by_hand && works[w].run == bulk)
			bulk_by_hand();
		else
			works[w].run();
	}
	printf("\n");
	fflush(stdout);
	_exit(0);
}
