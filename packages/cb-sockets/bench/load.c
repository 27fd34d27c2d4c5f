/* Closed-loop load generator for length-prefixed echo servers: one thread, epoll.
 *
 *   load HOST PORT FRAMING SIZE CONNS DEPTH SECONDS [--tls] [--spin] [--warmup SECONDS]
 *
 * FRAMING is len4: a 4-byte big-endian length, then that many bytes. Each connection keeps DEPTH messages of SIZE bytes
 * in flight: DEPTH at first, then as many as were answered, in one write. The measured window of SECONDS begins when
 * the warm-up is over and every connection has had its first answer, or three seconds later where some have none.
 *
 * Every received byte is compared. The expected stream is a ring of distinct random frames; connection i starts at
 * frame i, so that a reply to the wrong connection, in the wrong order or with a wrong byte is seen. Latency runs from
 * the write of a message's batch to the arrival of its last byte, in a histogram of 3 % wide buckets.
 *
 * With --spin it polls without ever sleeping: it needs a core of its own then. A server's send does not pay for waking
 * it up, and runs differ far less: with two sleeping processes on two cores the same server was measured at 25,000 and at
 * 92,000 messages/s, depending on who happened to fall asleep first.
 *
 * Prints one JSON object. Exit code: 0 measured, 1 a connection failed or stood still, 2 wrong usage.
 * Built with -DWITH_TLS -lssl -lcrypto it speaks TLS as well (certificates are not verified: this is a stopwatch).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

enum { PREFIX = 4, READ_SIZE = 256 * 1024, EVENTS = 1024, SUB = 32, BUCKETS = 64 * SUB };
static const uint64_t PATIENCE_NS = 3ull * 1000 * 1000 * 1000;
static const uint64_t STALL_NS = 10ull * 1000 * 1000 * 1000;

typedef struct {
    int fd;
    uint32_t interest;
    uint64_t to_write;           /* bytes that may be written now */
    size_t write_at, read_at;    /* positions in the ring of frames */
    size_t partial;              /* bytes received of the current reply */
    uint64_t *sent_at;           /* send time of each message in flight, a ring of DEPTH */
    size_t oldest, newest;
    uint64_t in_window;
    int answered;
#ifdef WITH_TLS
    SSL *tls;
#endif
} Connection;

static size_t frame_size, ring_size, depth;
static unsigned char *ring, *received;
static uint64_t histogram[BUCKETS], window_messages, total_messages, mismatches, last_progress;
static size_t unanswered;
static int measuring, epoll_fd;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

/* Logarithmic buckets, SUB of them to each power of two. */
static unsigned bucket_of(uint64_t value) {
    if (value < SUB) return (unsigned)value;
    unsigned power = 63u - (unsigned)__builtin_clzll(value);
    return (power - 4) * SUB + (unsigned)((value >> (power - 5)) & (SUB - 1));
}

static double bucket_middle(unsigned bucket) {
    if (bucket < SUB) return bucket;
    unsigned power = bucket / SUB + 4;
    return (double)((uint64_t)(SUB + bucket % SUB) << (power - 5)) + (double)(1ull << (power - 5)) / 2;
}

static double percentile_us(double share) {
    uint64_t wanted = (uint64_t)((double)window_messages * share), seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > wanted) return bucket_middle(i) / 1000.0;
    }
    return 0;
}

/* A ring of distinct frames: about 2 MB of them, at least 3 and at most 1024. */
static void make_ring(size_t size) {
    size_t frames = (2u << 20) / frame_size;
    frames = frames < 3 ? 3 : frames > 1024 ? 1024 : frames;
    ring_size = frames * frame_size;
    ring = malloc(ring_size);
    received = malloc(READ_SIZE);
    if (!ring || !received) fail("out of memory");
    uint64_t state = 0x9e3779b97f4a7c15ull;
    for (size_t i = 0; i < ring_size; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        ring[i] = (unsigned char)(state >> 32);
    }
    uint32_t prefix = htonl((uint32_t)size);
    for (size_t i = 0; i < frames; i++) memcpy(ring + i * frame_size, &prefix, PREFIX);
}

static void watch(Connection *c, uint32_t interest, int operation) {
    if (operation == EPOLL_CTL_MOD && c->interest == interest) return;
    struct epoll_event event = {.events = interest, .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event)) fail("epoll_ctl: %s", strerror(errno));
    c->interest = interest;
}

/* One write of what may be written: bytes, or 0 when the socket is full. */
static size_t write_some(Connection *c) {
    size_t first = ring_size - c->write_at < c->to_write ? ring_size - c->write_at : c->to_write;
#ifdef WITH_TLS
    if (c->tls) {
        int n = SSL_write(c->tls, ring + c->write_at, (int)first);
        if (n > 0) return (size_t)n;
        int error = SSL_get_error(c->tls, n);
        if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) return 0;
        fail("TLS write failed (%d)", error);
    }
#endif
    struct iovec parts[2] = {{ring + c->write_at, first}, {ring, c->to_write - first}};
    if (parts[1].iov_len > ring_size) parts[1].iov_len = ring_size;
    ssize_t n = writev(c->fd, parts, parts[1].iov_len ? 2 : 1);
    if (n >= 0) return (size_t)n;
    if (errno == EAGAIN || errno == EINTR) return 0;
    fail("write: %s", strerror(errno));
    return 0;
}

static void pump(Connection *c) {
    while (c->to_write) {
        size_t n = write_some(c);
        if (!n) break;
        c->to_write -= n;
        c->write_at = (c->write_at + n) % ring_size;
    }
    watch(c, c->to_write ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
}

static void send_messages(Connection *c, size_t count) {
    uint64_t now = now_ns();
    for (size_t i = 0; i < count; i++) {
        c->sent_at[c->newest] = now;
        c->newest = c->newest + 1 == depth ? 0 : c->newest + 1;
    }
    c->to_write += count * frame_size;
    pump(c);
}

/* One read: bytes, or 0 when there is nothing to read now. */
static size_t read_some(Connection *c) {
#ifdef WITH_TLS
    if (c->tls) {
        int n = SSL_read(c->tls, received, READ_SIZE);
        if (n > 0) return (size_t)n;
        int error = SSL_get_error(c->tls, n);
        if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) return 0;
        fail("TLS connection ended (%d)", error);
    }
#endif
    ssize_t n = recv(c->fd, received, READ_SIZE, 0);
    if (n > 0) return (size_t)n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    fail("connection ended: %s", n ? strerror(errno) : "closed by the server");
    return 0;
}

/* Compares what came, counts finished messages: their number. */
static size_t accept_bytes(Connection *c, size_t size) {
    size_t first = ring_size - c->read_at < size ? ring_size - c->read_at : size;
    if (memcmp(received, ring + c->read_at, first)) mismatches++;
    for (size_t done = first; done < size; done += ring_size) {
        size_t part = size - done < ring_size ? size - done : ring_size;
        if (memcmp(received + done, ring, part)) mismatches++;
    }
    c->read_at = (c->read_at + size) % ring_size;
    size_t finished = (c->partial + size) / frame_size;
    c->partial = (c->partial + size) % frame_size;
    uint64_t now = last_progress = now_ns();
    for (size_t i = 0; i < finished; i++) {
        if (measuring) histogram[bucket_of(now - c->sent_at[c->oldest])]++;
        c->oldest = c->oldest + 1 == depth ? 0 : c->oldest + 1;
    }
    if (finished && !c->answered) c->answered = 1, unanswered--;
    total_messages += finished;
    if (measuring) window_messages += finished, c->in_window += finished;
    return finished;
}

static void on_readable(Connection *c) {
    size_t finished = 0, n;
    while ((n = read_some(c))) {
        finished += accept_bytes(c, n);
#ifdef WITH_TLS
        if (c->tls) continue; /* what OpenSSL holds back does not show in epoll */
#endif
        if (n < READ_SIZE) break;
    }
    if (finished) send_messages(c, finished);
}

static void connect_one(Connection *c, const struct sockaddr_in *address, void *tls_context) {
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) fail("socket: %s", strerror(errno));
    int one = 1;
    struct timeval patience = {.tv_sec = 10};
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(c->fd, (const struct sockaddr *)address, sizeof *address)) fail("connect: %s", strerror(errno));
#ifdef WITH_TLS
    if (tls_context) {
        c->tls = SSL_new(tls_context);
        SSL_set_mode(c->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_set_fd(c->tls, c->fd);
        if (SSL_connect(c->tls) != 1) fail("TLS handshake failed");
    }
#else
    (void)tls_context;
#endif
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct linger reset = {.l_onoff = 1, .l_linger = 0}; /* leave no TIME_WAIT behind */
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    watch(c, EPOLLIN, EPOLL_CTL_ADD);
}

int main(int argc, char **argv) {
    double warmup = 0.3;
    int tls = 0, spin = 0;
    for (int i = 8; i < argc; i++) {
        if (!strcmp(argv[i], "--tls")) tls = 1;
        else if (!strcmp(argv[i], "--spin")) spin = 1;
        else if (!strcmp(argv[i], "--warmup") && i + 1 < argc) warmup = atof(argv[++i]);
        else argc = 0;
    }
    if (argc < 8 || strcmp(argv[3], "len4")) {
        fprintf(stderr, "usage: load HOST PORT len4 SIZE CONNS DEPTH SECONDS [--tls] [--spin] [--warmup SECONDS]\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) fail("not an IPv4 address: %s", argv[1]);
    size_t size = strtoull(argv[4], NULL, 10), connections = strtoull(argv[5], NULL, 10);
    depth = strtoull(argv[6], NULL, 10);
    double seconds = atof(argv[7]);
    frame_size = size + PREFIX;
    make_ring(size);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    void *tls_context = NULL;
#ifdef WITH_TLS
    if (tls) {
        tls_context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, NULL);
    }
#else
    if (tls) fail("built without TLS");
#endif
    epoll_fd = epoll_create1(0);
    unanswered = connections;
    Connection *all = calloc(connections, sizeof *all);
    if (!all) fail("out of memory");
    for (size_t i = 0; i < connections; i++) {
        Connection *c = &all[i];
        c->sent_at = malloc(depth * sizeof *c->sent_at);
        c->write_at = c->read_at = i * frame_size % ring_size;
        connect_one(c, &address, tls_context);
    }
    uint64_t begin = now_ns(), start = begin + (uint64_t)(warmup * 1e9), end = 0;
    last_progress = begin;
    for (size_t i = 0; i < connections; i++) send_messages(&all[i], depth);

    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, spin ? 0 : 100);
        uint64_t now = now_ns();
        if (!measuring && now >= start && (!unanswered || now >= start + PATIENCE_NS)) measuring = 1, start = now, end = now + (uint64_t)(seconds * 1e9);
        if (measuring && now >= end) {
            end = now;
            break;
        }
        if (now - last_progress > STALL_NS) fail("no reply for 10 s");
        for (int i = 0; i < n; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
            if (events[i].events & EPOLLOUT) pump(c);
        }
    }
    double elapsed = (double)(end - start) / 1e9, rate = (double)window_messages / elapsed;
    size_t silent = 0;
    for (size_t i = 0; i < connections; i++) silent += !all[i].in_window;
    printf("{\"messages\": %llu, \"seconds\": %.4f, \"messages_per_second\": %.1f, \"mb_per_second\": %.3f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"mismatches\": %llu, \"silent_connections\": %zu, "
           "\"total_messages\": %llu}\n",
           (unsigned long long)window_messages, elapsed, rate, rate * (double)size / 1e6, percentile_us(0.5),
           percentile_us(0.99), (unsigned long long)mismatches, silent, (unsigned long long)total_messages);
    return 0;
}
