/*
 * Makes chosen calls that write, sync, name or read files fail. Preloaded (LD_PRELOAD) into a test that runs itself again.
 *
 * FAULTS_PREFIX names the directory whose files are meant; all others are left alone. FAULTS_CONTROL names a file that is
 * mapped, so that the test can say at any moment what is to fail, by writing into it, and read what has failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* As written and read by the test: eight numbers of eight bytes, then text. */
struct control {
    uint64_t kinds; /* which calls count: a sum of KIND_ values; zero leaves everything alone */
    uint64_t first; /* the first call that fails, counted from one */
    uint64_t last;  /* the last one */
    uint64_t error; /* with which errno */
    uint64_t half;  /* writes: 0 write nothing, 1 write half and report an error, 2 write half and say so */
    uint64_t seen;  /* calls counted */
    uint64_t fired; /* calls made to fail */
    uint64_t spare;
    char what[448]; /* the last call made to fail */
};

enum { KIND_WRITE = 1, KIND_SYNC = 2, KIND_NAME = 4, KIND_LENGTH = 8, KIND_READ = 16 };

static struct control *control;
static const char *prefix;
static size_t prefix_length;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL");
    prefix = getenv("FAULTS_PREFIX");
    if (path == NULL || prefix == NULL) {
        return;
    }
    prefix_length = strlen(prefix);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        abort();
    }
    void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) {
        abort();
    }
    close(file);
    control = map;
}

/* True when this call on the file `path` is to fail. */
static int fails_at(uint64_t kind, const char *call, const char *path) {
    if (control == NULL || path == NULL || !(__atomic_load_n(&control->kinds, __ATOMIC_ACQUIRE) & kind)) {
        return 0;
    }
    if (strncmp(path, prefix, prefix_length) != 0) {
        return 0;
    }
    uint64_t number = __atomic_add_fetch(&control->seen, 1, __ATOMIC_ACQ_REL);
    if (number < control->first || number > control->last) {
        return 0;
    }
    __atomic_add_fetch(&control->fired, 1, __ATOMIC_ACQ_REL);
    snprintf(control->what, sizeof(control->what), "%s %s", call, path + prefix_length);
    errno = (int)control->error;
    return 1;
}

static int fails(uint64_t kind, const char *call, int file) {
    if (control == NULL || !(__atomic_load_n(&control->kinds, __ATOMIC_ACQUIRE) & kind)) {
        return 0;
    }
    char name[64], path[1024];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof(path) - 1);
    if (length < 0) {
        return 0;
    }
    path[length] = 0;
    return fails_at(kind, call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* What a write that fails does before it fails. */
static ssize_t torn(ssize_t written) {
    int error = (int)control->error;
    if (control->half == 2 && written > 0) {
        return written;
    }
    errno = error;
    return -1;
}

ssize_t write(int file, const void *data, size_t length) {
    if (fails(KIND_WRITE, "write", file)) {
        return torn(control->half ? REAL(write)(file, data, length / 2) : 0);
    }
    return REAL(write)(file, data, length);
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at) {
    if (fails(KIND_WRITE, "pwrite", file)) {
        return torn(control->half ? REAL(pwrite)(file, data, length / 2, at) : 0);
    }
    return REAL(pwrite)(file, data, length, at);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) {
    if (fails(KIND_WRITE, "pwrite64", file)) {
        return torn(control->half ? REAL(pwrite64)(file, data, length / 2, at) : 0);
    }
    return REAL(pwrite64)(file, data, length, at);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    if (fails(KIND_WRITE, "writev", file)) {
        return torn(control->half && count > 0 ? REAL(write)(file, parts[0].iov_base, parts[0].iov_len / 2) : 0);
    }
    return REAL(writev)(file, parts, count);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
    if (fails(KIND_WRITE, "pwritev", file)) {
        return torn(control->half && count > 0 ? REAL(pwrite)(file, parts[0].iov_base, parts[0].iov_len / 2, at) : 0);
    }
    return REAL(pwritev)(file, parts, count, at);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
    if (fails(KIND_WRITE, "pwritev64", file)) {
        return torn(control->half && count > 0 ? REAL(pwrite64)(file, parts[0].iov_base, parts[0].iov_len / 2, at) : 0);
    }
    return REAL(pwritev64)(file, parts, count, at);
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *to_at, size_t length, unsigned flags) {
    return fails(KIND_WRITE, "copy_file_range", to) ? -1 : REAL(copy_file_range)(from, at, to, to_at, length, flags);
}

ssize_t read(int file, void *data, size_t length) {
    return fails(KIND_READ, "read", file) ? -1 : REAL(read)(file, data, length);
}

ssize_t pread(int file, void *data, size_t length, off_t at) {
    return fails(KIND_READ, "pread", file) ? -1 : REAL(pread)(file, data, length, at);
}

ssize_t pread64(int file, void *data, size_t length, off64_t at) {
    return fails(KIND_READ, "pread64", file) ? -1 : REAL(pread64)(file, data, length, at);
}

int fsync(int file) { return fails(KIND_SYNC, "fsync", file) ? -1 : REAL(fsync)(file); }

int fdatasync(int file) { return fails(KIND_SYNC, "fdatasync", file) ? -1 : REAL(fdatasync)(file); }

int ftruncate(int file, off_t length) {
    return fails(KIND_LENGTH, "ftruncate", file) ? -1 : REAL(ftruncate)(file, length);
}

int ftruncate64(int file, off64_t length) {
    return fails(KIND_LENGTH, "ftruncate64", file) ? -1 : REAL(ftruncate64)(file, length);
}

int fallocate(int file, int mode, off_t at, off_t length) {
    return fails(KIND_LENGTH, "fallocate", file) ? -1 : REAL(fallocate)(file, mode, at, length);
}

int fallocate64(int file, int mode, off64_t at, off64_t length) {
    return fails(KIND_LENGTH, "fallocate64", file) ? -1 : REAL(fallocate64)(file, mode, at, length);
}

/* These give their error instead of setting errno. */
int posix_fallocate(int file, off_t at, off_t length) {
    return fails(KIND_LENGTH, "posix_fallocate", file) ? errno : REAL(posix_fallocate)(file, at, length);
}

int posix_fallocate64(int file, off64_t at, off64_t length) {
    return fails(KIND_LENGTH, "posix_fallocate64", file) ? errno : REAL(posix_fallocate64)(file, at, length);
}

/* The mode is there only where a file may be made. */
#define MODE(flags, mode)                              \
    mode_t mode = 0;                                   \
    if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
        va_list more;                                  \
        va_start(more, flags);                         \
        mode = va_arg(more, mode_t);                   \
        va_end(more);                                  \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, mode)
    return (flags & O_CREAT) && fails_at(KIND_NAME, "open", path) ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, mode)
    return (flags & O_CREAT) && fails_at(KIND_NAME, "open64", path) ? -1 : REAL(open64)(path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
    MODE(flags, mode)
    return (flags & O_CREAT) && fails_at(KIND_NAME, "openat", path) ? -1 : REAL(openat)(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
    MODE(flags, mode)
    return (flags & O_CREAT) && fails_at(KIND_NAME, "openat64", path) ? -1
                                                                      : REAL(openat64)(directory, path, flags, mode);
}

int rename(const char *from, const char *to) { return fails_at(KIND_NAME, "rename", to) ? -1 : REAL(rename)(from, to); }

int renameat(int directory, const char *from, int other, const char *to) {
    return fails_at(KIND_NAME, "renameat", to) ? -1 : REAL(renameat)(directory, from, other, to);
}

int renameat2(int directory, const char *from, int other, const char *to, unsigned flags) {
    return fails_at(KIND_NAME, "renameat2", to) ? -1 : REAL(renameat2)(directory, from, other, to, flags);
}

int link(const char *from, const char *to) { return fails_at(KIND_NAME, "link", to) ? -1 : REAL(link)(from, to); }

int linkat(int directory, const char *from, int other, const char *to, int flags) {
    return fails_at(KIND_NAME, "linkat", to) ? -1 : REAL(linkat)(directory, from, other, to, flags);
}

int unlink(const char *path) { return fails_at(KIND_NAME, "unlink", path) ? -1 : REAL(unlink)(path); }

int unlinkat(int directory, const char *path, int flags) {
    return fails_at(KIND_NAME, "unlinkat", path) ? -1 : REAL(unlinkat)(directory, path, flags);
}

int mkdir(const char *path, mode_t mode) { return fails_at(KIND_NAME, "mkdir", path) ? -1 : REAL(mkdir)(path, mode); }

int mkdirat(int directory, const char *path, mode_t mode) {
    return fails_at(KIND_NAME, "mkdirat", path) ? -1 : REAL(mkdirat)(directory, path, mode);
}
