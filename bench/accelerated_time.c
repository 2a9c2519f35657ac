/* Lets time pass faster in a process, and moves its wall clock: preloaded by soak.py --speed.
 *
 * TIME_SPEED is the factor, TIME_ORIGIN the monotonic time in nanoseconds at which both times were equal, and the file TIME_JUMP holds
 * seconds that are added to the wall clock as a decimal number. Covers what the driver and its libraries call: reading a clock, sleeping,
 * waiting for a descriptor, waiting for another thread (rustix must go through libc: --cfg rustix_use_libc). libfaketime does not scale
 * the wait for a thread, and a jump of its wall clock moves the monotonic clock too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static int64_t speed = 1, origin;
static const char *jump_file;
static long (*next_syscall)(long, ...);

__attribute__((constructor)) static void begin(void) {
    const char *value;
    if ((value = getenv("TIME_SPEED"))) speed = atoll(value);
    if ((value = getenv("TIME_ORIGIN"))) origin = atoll(value);
    if (speed < 1) speed = 1;
    jump_file = getenv("TIME_JUMP");
    next_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
}

static int64_t count(struct timespec time) { return time.tv_sec * SECOND + time.tv_nsec; }
static struct timespec split(int64_t ns) { return (struct timespec){ns / SECOND, ns % SECOND}; }

static int64_t computer(clockid_t clock) {
    struct timespec time = {0, 0};
    if (!next_syscall) begin();
    next_syscall(SYS_clock_gettime, clock, &time);
    return count(time);
}

/* What has passed in the process beyond what has passed in the computer. */
static int64_t gained(void) { return (speed - 1) * (computer(CLOCK_MONOTONIC) - origin); }
/* A moment of the process' monotonic clock on the computer's. */
static int64_t on_computer(int64_t moment) { return moment < origin ? moment : origin + (moment - origin) / speed; }

static int64_t jump(void) {
    char text[32] = "";
    int file = jump_file ? open(jump_file, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    return size > 0 ? atoll(text) * SECOND : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int64_t now = computer(clock);
    switch (clock) {
    case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: now += gained() + jump(); break;
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_COARSE: case CLOCK_MONOTONIC_RAW: case CLOCK_BOOTTIME: now += gained(); break;
    }
    *time = split(now);
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *time = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest) {
    int64_t wait = count(*time);
    if (flags & TIMER_ABSTIME) {
        struct timespec now;
        clock_gettime(clock, &now);
        wait -= count(now);
    }
    struct timespec short_wait = split(wait > 0 ? wait / speed : 0);
    if (rest) *rest = (struct timespec){0, 0};
    return next_syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &short_wait, NULL) ? errno : 0;
}

int nanosleep(const struct timespec *time, struct timespec *rest) {
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, time, rest);
    errno = error;
    return error ? -1 : 0;
}

int ppoll(struct pollfd *files, nfds_t number, const struct timespec *limit, const sigset_t *signals) {
    struct timespec short_limit;
    if (limit) short_limit = split(count(*limit) / speed);
    return next_syscall(SYS_ppoll, files, number, limit ? &short_limit : NULL, signals, 8);
}

int poll(struct pollfd *files, nfds_t number, int limit) {
    struct timespec time = split(limit * (SECOND / 1000));
    return ppoll(files, number, limit < 0 ? NULL : &time, NULL);
}

int epoll_pwait(int epoll, struct epoll_event *events, int number, int limit, const sigset_t *signals) {
    struct timespec time = split(limit * (SECOND / 1000) / speed);
    return next_syscall(SYS_epoll_pwait2, epoll, events, number, limit < 0 ? NULL : &time, signals, 8);
}

int epoll_wait(int epoll, struct epoll_event *events, int number, int limit) {
    return epoll_pwait(epoll, events, number, limit, NULL);
}

long syscall(long number, ...) {
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    struct timespec limit;
    int what = (int)a[1] & FUTEX_CMD_MASK;
    if (number == SYS_futex && a[3] && (what == FUTEX_WAIT || what == FUTEX_WAIT_BITSET)) {
        int64_t time = count(*(const struct timespec *)a[3]);
        if (what == FUTEX_WAIT) time /= speed;
        else if (a[1] & FUTEX_CLOCK_REALTIME) return next_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        else time = on_computer(time);
        limit = split(time);
        a[3] = (long)&limit;
    }
    return next_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
