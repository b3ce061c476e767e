#ifndef APIKEY_STORE_SECRET_H
#define APIKEY_STORE_SECRET_H

/* Files that hold a secret: of this user, and closed to others. */

#include <stddef.h>
#include <sys/types.h>


#define SECRET_WHY  256


/*
 * At most size bytes of the file: how many, or -1 and why, which begins with
 * what it is.  Of a file that was open to others, exposed is set.
 */
ssize_t secret_read(const char *what, const char *path, void *content,
    size_t size, char why[SECRET_WHY], int *exposed);


#endif /* APIKEY_STORE_SECRET_H */
