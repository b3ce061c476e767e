#ifndef APIKEY_COMPLAIN_H
#define APIKEY_COMPLAIN_H

/* What is wrong, in one line. */


#define COMPLAINT_MESSAGE  512
#define COMPLAINT_OPTION   32


/* The first complaint, where it is kept in place of being printed. */
typedef struct {
    char       message[COMPLAINT_MESSAGE];
    char       option[COMPLAINT_OPTION];   /* what its value is of, or "" */
    unsigned   absent:1;                   /* what was asked for isn't there */
} complaint_t;


/*
 * From now on what this thread complains of goes there, or, with NULL, to
 * standard error again.
 */
void complain_capture(complaint_t *complaint);

/* A line on standard error: "apikey: ...". */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value of an option is wrong. */
void complain_option(const char *option, const char *value,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* There is no key, template... of that name. */
void complain_absent(const char *what, const char *name);


#endif /* APIKEY_COMPLAIN_H */
