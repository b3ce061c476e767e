/* doctor: what is wrong with this set-up, and how to mend it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"


/* Three of many. */
#define DOCTOR_IDS_SIZE  (3 * (APIKEY_ID_MAX + 1) + 1)


static void doctor_pepper(doctor_t *doctor);
static int doctor_open(doctor_t *doctor);
static void doctor_gateways(doctor_t *doctor);
static void doctor_index(doctor_t *doctor);
static void doctor_visit(void *data, apikey_text_t id, stored_t *stored);


int
command_doctor(cli_t *cli)
{
    int       rc;
    doctor_t  doctor;

    rc = cli_operands(cli, 0, 0, NULL);

    if (rc != CLI_DONE) {
        return rc;
    }

    memset(&doctor, 0, sizeof(doctor));
    doctor.cli = cli;
    doctor.checks = json_array();

    doctor_pepper(&doctor);

    if (doctor_open(&doctor) == 0 && doctor_servers(&doctor) == 0) {
        doctor_gateways(&doctor);
        doctor_index(&doctor);
    }

    if (cli->json) {
        json_print(json_pack("{s:b,s:O}", "ok", doctor.status == CLI_DONE,
                             "checks", doctor.checks));
    }

    json_decref(doctor.checks);

    return doctor.status;
}


static void
doctor_pepper(doctor_t *doctor)
{
    char               why[SETTINGS_WHY];
    cli_t             *cli;
    const char        *mend;
    doctor_finding_t   finding;

    cli = doctor->cli;

    if (settings_pepper(cli->settings, &cli->pepper, why, &mend) != 0) {
        doctor_find(&finding, "wrong", mend, "%s", why);

    } else {
        doctor_find(&finding, "ok", NULL, "\"%s\" can be used",
                    cli->settings->pepper_file);
    }

    doctor_say(doctor, "pepper", &finding);
}


static int
doctor_open(doctor_t *doctor)
{
    cli_t             *cli;
    doctor_finding_t   finding;

    cli = doctor->cli;

    if (store_open(&cli->store, &cli->settings->address,
                   cli->settings->redis_prefix)
        != STORE_DONE
        || store_time(&cli->store, &cli->now) != STORE_DONE)
    {
        doctor_find(&finding, "wrong",
                    "start Redis, or correct --redis, APIKEY_REDIS or redis = "
                    "in " SETTINGS_FILE ", its user or password",
                    "%s: %s", cli->settings->address.shown, cli->store.error);
        doctor_say(doctor, "redis", &finding);

        doctor->status = CLI_REDIS;
        return -1;
    }

    doctor_find(&finding, "ok", NULL, "%s answers",
                cli->settings->address.shown);
    doctor_say(doctor, "redis", &finding);

    return 0;
}


static void
doctor_gateways(doctor_t *doctor)
{
    char                   print[APIKEY_PEPPER_PRINT];
    unsigned               i, count;
    store_t               *store;
    store_rc_e             rc;
    store_workers_t        workers;
    doctor_finding_t       finding;
    const store_worker_t  *other;

    count = 0;
    store = &doctor->cli->store;

    rc = store_workers_read(store, &workers);

    for (i = 0; i < workers.count; i++) {
        count += (workers.list[i].silent <= STORE_WORKER_SILENT);
    }

    other = NULL;

    if (doctor->cli->pepper.len != 0) {
        apikey_pepper_print(print, &doctor->cli->pepper);
        other = store_workers_peppered(&workers, print);
    }

    if (rc != STORE_DONE) {
        doctor_find(&finding, "wrong", "allow this user HGETALL on PREFIX*",
                    "%s", store->error);

    } else if (other != NULL) {
        doctor_find(&finding, "wrong",
                    "name the file that its apikey_pepper_file names",
                    "the pepper isn't that of \"%.*s\", which refuses what is "
                    "made with it", (int) other->name.len, other->name.data);

    } else if (count == 0) {
        doctor_find(&finding, "warning",
                    "start nginx, with the same Redis, database and prefix",
                    "none is registered");

    } else {
        doctor_find(&finding, "ok", NULL, "%u %s registered", count,
                    count == 1 ? "worker is" : "workers are");
    }

    store_workers_free(&workers);
    doctor_say(doctor, "gateways", &finding);
}


static void
doctor_index(doctor_t *doctor)
{
    char               ids[DOCTOR_IDS_SIZE];
    doctor_finding_t   finding;

    ids[0] = '\0';
    doctor->ids = ids;

    if (store_visit(&doctor->cli->store, doctor_visit, doctor) != STORE_DONE)
    {
        doctor_find(&finding, "wrong", "allow this user HGETALL on PREFIX*",
                    "%s", doctor->cli->store.error);

    } else if (doctor->unreadable != 0) {
        doctor_find(&finding, "wrong",
                    "apikey show ID says why; delete it and make a new key",
                    "the records of %u of %u can't be read: %s",
                    doctor->unreadable, doctor->keys, ids);

    } else if (doctor->dangling != 0) {
        doctor_find(&finding, "warning",
                    "apikey delete ID, unless they are being made right now",
                    "%u %s without a key, left by something that was "
                    "interrupted: %s", doctor->dangling,
                    doctor->dangling == 1 ? "id" : "ids", ids);

    } else {
        doctor_find(&finding, "ok", NULL, "%u, all of them readable",
                    doctor->keys);
    }

    doctor_say(doctor, "keys", &finding);
}


static void
doctor_visit(void *data, apikey_text_t id, stored_t *stored)
{
    doctor_t *doctor = data;

    size_t  len;

    if (stored != NULL) {
        doctor->keys++;

        if (strcmp(stored_status(stored, 0), "unreadable") != 0) {
            free(stored);
            return;
        }

        free(stored);

        /* The worse finding is the one whose ids are shown. */

        if (doctor->unreadable++ == 0) {
            doctor->ids[0] = '\0';
        }

    } else {
        doctor->dangling++;

        if (doctor->unreadable != 0) {
            return;
        }
    }

    len = strlen(doctor->ids);

    if (len + 1 + id.len < DOCTOR_IDS_SIZE) {
        snprintf(doctor->ids + len, DOCTOR_IDS_SIZE - len, "%s%.*s",
                 len ? " " : "", (int) id.len, id.data);
    }
}
