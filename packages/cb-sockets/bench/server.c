/* The limit that the Python servers are measured against: an epoll echo server for length-prefixed messages.
 *
 *   server                                 (prints its port, then serves until it is killed)
 *
 * One thread. It reads into one buffer, walks over every 4-byte big-endian prefix and answers all complete messages of a
 * read with one send from that same buffer: no copy, no allocation for small messages. What is left of an unfinished
 * message is kept per connection. While a reply is stuck in a full socket, nothing more is read from that peer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PREFIX = 4, READ_SIZE = 256 * 1024, EVENTS = 1024, MAX_MESSAGE = 64 << 20 };

typedef struct {
    int fd;
    unsigned char *kept;      /* bytes of an unfinished message, or a reply that did not fit */
    size_t size, capacity;
    size_t sent, to_send;     /* of kept: a reply under way */
} Connection;

static int epoll_fd;
static unsigned char shared[READ_SIZE];

static void end_connection(Connection *c) {
    close(c->fd);
    free(c->kept);
    free(c);
}

static int keep(Connection *c, const unsigned char *data, size_t size, size_t wanted) {
    if (c->size + size > wanted) wanted = c->size + size;
    if (wanted > c->capacity) {
        unsigned char *grown = realloc(c->kept, wanted);
        if (!grown) return 0;
        c->kept = grown;
        c->capacity = wanted;
    }
    memcpy(c->kept + c->size, data, size);
    c->size += size;
    return 1;
}

/* Bytes of complete messages at the start of data, or -1: a length beyond the limit. wanted: the unfinished one's size. */
static ssize_t complete(const unsigned char *data, size_t size, size_t *wanted) {
    size_t at = 0;
    *wanted = PREFIX;
    while (size - at >= PREFIX) {
        uint32_t length;
        memcpy(&length, data + at, PREFIX);
        length = ntohl(length);
        if (length > MAX_MESSAGE) return -1;
        *wanted = PREFIX + (size_t)length;
        if (size - at < *wanted) break;
        at += *wanted;
        *wanted = PREFIX;
    }
    return (ssize_t)at;
}

static void watch(Connection *c, uint32_t interest) {
    struct epoll_event event = {.events = interest, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

/* Sends on from kept: 1 all sent, 0 the socket is full, -1 the peer is gone. */
static int flush(Connection *c) {
    while (c->sent < c->to_send) {
        ssize_t n = send(c->fd, c->kept + c->sent, c->to_send - c->sent, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN ? 0 : -1;
        c->sent += (size_t)n;
    }
    c->size -= c->to_send;
    memmove(c->kept, c->kept + c->to_send, c->size);
    c->sent = c->to_send = 0;
    return 1;
}

/* Answers what is complete in kept: 1 go on reading, 0 wait for room, -1 end. */
static int answer_kept(Connection *c, size_t *wanted) {
    ssize_t done = complete(c->kept, c->size, wanted);
    if (done <= 0) return done < 0 ? -1 : 1;
    c->to_send = (size_t)done;
    return flush(c);
}

static int on_readable(Connection *c) {
    size_t wanted;
    if (c->size >= PREFIX && complete(c->kept, c->size, &wanted) == 0 && wanted > READ_SIZE) { /* straight into its place */
        if (wanted > c->capacity && !keep(c, NULL, 0, wanted)) return -1;
        ssize_t n = recv(c->fd, c->kept + c->size, wanted - c->size, 0);
        if (n <= 0) return n < 0 && errno == EAGAIN ? 1 : -1;
        c->size += (size_t)n;
        return answer_kept(c, &wanted);
    }
    ssize_t n = recv(c->fd, shared, READ_SIZE, 0);
    if (n <= 0) return n < 0 && errno == EAGAIN ? 1 : -1;
    if (c->size) {
        if (!keep(c, shared, (size_t)n, 0)) return -1;
        return answer_kept(c, &wanted);
    }
    ssize_t done = complete(shared, (size_t)n, &wanted), sent = 0;
    if (done < 0) return -1;
    if (done) {
        sent = send(c->fd, shared, (size_t)done, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return -1;
        if (sent < 0) sent = 0;
    }
    if (sent < n && !keep(c, shared + sent, (size_t)(n - sent), sent == done ? wanted : 0)) return -1;
    c->to_send = (size_t)(done - sent);
    return c->to_send ? 0 : 1;
}

static void on_writable(Connection *c) {
    size_t wanted;
    int state = flush(c);
    if (state == 1) state = answer_kept(c, &wanted);
    if (state < 0) end_connection(c);
    else watch(c, state ? EPOLLIN : EPOLLOUT);
}

static void accept_one(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Connection *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    c->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

int main(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 4096) ||
        getsockname(listener, (struct sockaddr *)&address, &length)) {
        perror("server");
        return 1;
    }
    fcntl(listener, F_SETFL, O_NONBLOCK);
    epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            Connection *c = events[i].data.ptr;
            if (!c) accept_one(listener);
            else if (events[i].events & EPOLLOUT) on_writable(c);
            else {
                int state = on_readable(c);
                if (state < 0) end_connection(c);
                else if (!state) watch(c, EPOLLOUT);
            }
        }
    }
}
