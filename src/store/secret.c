#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret.h"


ssize_t
secret_read(const char *what, const char *path, void *content, size_t size,
    char why[SECRET_WHY], int *exposed)
{
    int          fd;
    ssize_t      n;
    struct stat  st;

    *exposed = 0;
    n = -1;

    fd = open(path, O_RDONLY|O_CLOEXEC|O_NONBLOCK);

    if (fd == -1 || fstat(fd, &st) == -1) {
        snprintf(why, SECRET_WHY, "%s \"%s\": %s", what, path,
                 strerror(errno));

    } else if (!S_ISREG(st.st_mode)) {
        snprintf(why, SECRET_WHY, "%s \"%s\": not a file", what, path);

    } else if (st.st_mode & S_IRWXO) {
        *exposed = 1;
        snprintf(why, SECRET_WHY, "%s \"%s\": open to others (mode %04o)",
                 what, path, (unsigned) st.st_mode & 07777);

    } else {
        n = read(fd, content, size);

        if (n == -1) {
            snprintf(why, SECRET_WHY, "%s \"%s\": %s", what, path,
                     strerror(errno));
        }
    }

    if (fd != -1) {
        close(fd);
    }

    return n;
}
