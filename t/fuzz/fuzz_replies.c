/*
 * The whole program, each of its commands, with a server that sends the input:
 * main() and all below it, but for the sockets and the clock, whose functions
 * are renamed to those of this file when the program is compiled for it.
 *
 * The first byte chooses the command, the second how Redis is reached; the
 * rest is what all connections read, one after the other.
 */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"


#define FUZZ_ARGS  16
#define FUZZ_TICK  1000000        /* nanoseconds that each look at it takes */


int program_main(int argc, char **argv);
int program_connect(int fd, const struct sockaddr *address, socklen_t len);
int program_getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **list);
void program_freeaddrinfo(struct addrinfo *list);
ssize_t program_send(int fd, const void *data, size_t len, int flags);
ssize_t program_recv(int fd, void *buf, size_t size, int flags);
int program_poll(struct pollfd *fds, nfds_t count, int timeout);
int program_clock_gettime(clockid_t clock, struct timespec *ts);
int program_nanosleep(const struct timespec *time, struct timespec *left);

static int fuzz_init(void);
static void fuzz_file(const char *name, const char *text);
static void fuzz_exit(void);


static const char *const  fuzz_urls[] = {
    "redis://127.0.0.1:6379",
    "redis-cluster://127.0.0.1:6379,127.0.0.1:6380",
    "redis-sentinel://127.0.0.1:26379,127.0.0.1:26380/mymaster",
    "redis://u:p@127.0.0.1:6379/5"
};

static const char *const  fuzz_commands[][FUZZ_ARGS] = {
    { "list" },
    { "list", "--json" },
    { "show", "k1" },
    { "verify" },
    { "create", "--name", "n", "--expires", "30d", "--plan", "p" },
    { "create", "--name", "n", "--template", "apps-sdk", "--project", "p" },
    { "edit", "k1", "--name", "other", "--expires", "9d", "--wait", "1s" },
    { "disable", "k1", "k2", "--wait", "1s" },
    { "enable", "k1", "--wait", "1s" },
    { "rotate", "k1", "--grace", "1h", "--wait", "1s" },
    { "revoke", "k1", "--wait", "1s" },
    { "delete", "k1", "--wait", "1s" },
    { "delete", "--project", "p", "--wait", "1s" },
    { "limits", "k1" },
    { "limits", "k1", "--reset", "--wait", "1s" },
    { "usage", "k1", "--days", "3" },
    { "import", "keys.jsonl" },
    { "export" },
    { "events" },
    { "events", "--json", "--count", "5", "--type", "created" },
    { "gateways" },
    { "template", "list" },
    { "template", "show", "mine" },
    { "template", "set", "mine", "--scope", "a:read" },
    { "template", "remove", "mine" },
    { "doctor" },
    { "doctor", "--json" }
};

#define FUZZ_URLS      (sizeof(fuzz_urls) / sizeof(fuzz_urls[0]))
#define FUZZ_COMMANDS  (sizeof(fuzz_commands) / sizeof(fuzz_commands[0]))


static char            fuzz_dir[] = "/tmp/apikey-fuzz-XXXXXX";
static pid_t           fuzz_pid;
static const uint8_t  *fuzz_data;
static size_t          fuzz_left;
static uint64_t        fuzz_time;


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                 i, argc;
    char               *argv[FUZZ_ARGS + 12];
    static int          ready;
    const char *const  *command;

    if (!ready) {
        ready = 1;
        must(fuzz_init() == 0);
    }

    if (size < 2) {
        return 0;
    }

    argc = 0;
    argv[argc++] = (char *) "apikey";
    argv[argc++] = (char *) "--config";
    argv[argc++] = (char *) "apikey.conf";
    argv[argc++] = (char *) "--pepper-file";
    argv[argc++] = (char *) "pepper";
    argv[argc++] = (char *) "--redis";
    argv[argc++] = (char *) fuzz_urls[data[1] % FUZZ_URLS];

    command = fuzz_commands[data[0] % FUZZ_COMMANDS];

    for (i = 0; command[i] != NULL; i++) {
        argv[argc++] = (char *) command[i];
    }

    argv[argc] = NULL;

    fuzz_data = data + 2;
    fuzz_left = size - 2;
    fuzz_time = 1800000000ULL * 1000000000;

    rewind(stdin);

    i = program_main(argc, argv);
    must(i >= 0 && i <= 3);

    return 0;
}


/* A folder with the files that commands read; what they say goes nowhere. */

static int
fuzz_init(void)
{
    fuzz_pid = getpid();

    must(mkdtemp(fuzz_dir) != NULL && chdir(fuzz_dir) == 0);
    must(atexit(fuzz_exit) == 0);

    (void) umask(077);

    fuzz_file("apikey.conf", "");
    fuzz_file("pepper", "a pepper for the fuzz target, long enough for it\n");
    fuzz_file("key", "apso_sk_live_0123456789abcdefghijklmnopqrstuvwxyz\n");
    fuzz_file("keys.jsonl",
              "{\"key\":\"a-key-of-other-form-1\",\"id\":\"k1\"}\n"
              "{\"key\":\"a-key-of-other-form-2\",\"expires\":1900000000}\n");

    return freopen("key", "r", stdin) != NULL
           && freopen("/dev/null", "w", stdout) != NULL ? 0 : -1;
}


static void
fuzz_file(const char *name, const char *text)
{
    FILE  *file;

    file = fopen(name, "w");
    must(file != NULL);
    must(fputs(text, file) >= 0 && fclose(file) == 0);
}


static void
fuzz_exit(void)
{
    if (getpid() == fuzz_pid && chdir(fuzz_dir) == 0) {
        (void) unlink("apikey.conf");
        (void) unlink("pepper");
        (void) unlink("key");
        (void) unlink("keys.jsonl");
        (void) rmdir(fuzz_dir);
    }
}


int
program_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    (void) fd;
    (void) address;
    (void) len;

    return 0;
}


/* Nothing is resolved: whatever the name, it is this machine. */

int
program_getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **list)
{
    struct addrinfo     *ai;
    struct sockaddr_in  *sin;

    (void) node;
    (void) service;
    (void) hints;

    ai = calloc(1, sizeof(struct addrinfo) + sizeof(struct sockaddr_in));
    must(ai != NULL);

    sin = (struct sockaddr_in *) (ai + 1);
    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    ai->ai_family = AF_INET;
    ai->ai_socktype = SOCK_STREAM;
    ai->ai_addr = (struct sockaddr *) sin;
    ai->ai_addrlen = sizeof(struct sockaddr_in);

    *list = ai;

    return 0;
}


void
program_freeaddrinfo(struct addrinfo *list)
{
    free(list);
}


ssize_t
program_send(int fd, const void *data, size_t len, int flags)
{
    (void) fd;
    (void) data;
    (void) flags;

    return len;
}


/*
 * A line at a time, so that one connection doesn't take what others are to get.
 * Who asks for one byte wants to know whether the connection has ended.
 */

ssize_t
program_recv(int fd, void *buf, size_t size, int flags)
{
    const uint8_t  *newline;

    (void) fd;
    (void) flags;

    if (size == 1) {
        errno = EAGAIN;
        return -1;
    }

    size = (size < fuzz_left) ? size : fuzz_left;
    newline = size ? memchr(fuzz_data, '\n', size) : NULL;

    if (newline != NULL) {
        size = newline + 1 - fuzz_data;
    }

    if (size != 0) {
        memcpy(buf, fuzz_data, size);
    }

    fuzz_data += size;
    fuzz_left -= size;

    return size;
}


int
program_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    (void) count;
    (void) timeout;

    fds->revents = fds->events;

    return 1;
}


int
program_clock_gettime(clockid_t clock, struct timespec *ts)
{
    (void) clock;

    fuzz_time += FUZZ_TICK;

    ts->tv_sec = fuzz_time / 1000000000;
    ts->tv_nsec = fuzz_time % 1000000000;

    return 0;
}


int
program_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void) left;

    fuzz_time += time->tv_sec * 1000000000ULL + time->tv_nsec;

    return 0;
}
