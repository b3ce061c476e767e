/*
 * Loaded before redis-server (LD_PRELOAD): its clock is ahead of the real one
 * by as many seconds as the file that CLOCK_FILE names has, a number of 8
 * bytes.  Other clocks, by which its timers go, are as they are.
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


static volatile const int64_t  *ahead;


__attribute__((constructor)) static void
clock_open(void)
{
    int    fd;
    void  *map;

    fd = open(getenv("CLOCK_FILE"), O_RDONLY|O_CLOEXEC);
    map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED) {
        abort();
    }

    ahead = map;
    close(fd);
}


int
clock_gettime(clockid_t clock, struct timespec *ts)
{
    int  rc;

    rc = syscall(SYS_clock_gettime, clock, ts);

    if (rc == 0 && clock == CLOCK_REALTIME && ahead != NULL) {
        ts->tv_sec += *ahead;
    }

    return rc;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;
    (void) clock_gettime(CLOCK_REALTIME, &ts);

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}


time_t
time(time_t *seconds)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    if (seconds != NULL) {
        *seconds = ts.tv_sec;
    }

    return ts.tv_sec;
}
