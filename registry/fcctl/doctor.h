/* framecache: what fcctl doctor's checks share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCCTL_DOCTOR_H
#define FCCTL_DOCTOR_H

#include <sys/stat.h>

#include "fcctl.h"

G_BEGIN_DECLS

/* A directory in which slots are looked for. */
typedef struct
{
  gchar *path;
  gboolean named; /* by an option or FC_DIR: none other is looked in */
  gboolean exists;
  gboolean safe; /* nobody else can replace what is in it */
  struct stat st;
} FcctlDoctorDir;

/* A file that is a ring by its name. */
typedef struct
{
  gchar *name;
  const FcctlDoctorDir *dir;
  int result;    /* of looking at it: 0 or an error of libfc's */
  gchar *detail; /* and its sentence */
  fc_slot_stat_t stat;
} FcctlDoctorSlot;

typedef struct _FcctlDoctor FcctlDoctor;

struct _FcctlDoctor
{
  GPtrArray *dirs;  /* of FcctlDoctorDir; at least one */
  GPtrArray *slots; /* of FcctlDoctorSlot, by name and directory */
  gchar *home;      /* the directory in which a writer makes slots */
  int home_result;  /* of looking for it: 0 or an error of libfc's */
  gchar *home_detail;
  GArray *results; /* the doctor's own */
};

/* A check tells of what it finds. SUBJECT is a slot, a path, or NULL; what may
 * hold anything in it is escaped here. A fault stands in the way of somebody; a
 * note is worth knowing. REMEDY is what to do, a sentence; NULL where FORMAT
 * says it already. */
void fcctl_doctor_fault (FcctlDoctor *doctor, const gchar *subject,
                         const gchar *remedy, const gchar *format, ...)
    G_GNUC_PRINTF (4, 5);
void fcctl_doctor_note (FcctlDoctor *doctor, const gchar *subject,
                        const gchar *remedy, const gchar *format, ...)
    G_GNUC_PRINTF (4, 5);
/* There is nothing here that could be looked at, and why. */
void fcctl_doctor_skip (FcctlDoctor *doctor, const gchar *why);

/* "anna (user 1000)"; the caller's. */
gchar *fcctl_doctor_user (guint uid);

typedef void (*FcctlDoctorCheck) (FcctlDoctor *doctor);

/* Directories and their memory. */
void fcctl_doctor_dir_missing (FcctlDoctor *doctor);
void fcctl_doctor_dir_owner (FcctlDoctor *doctor);
void fcctl_doctor_dir_mode (FcctlDoctor *doctor);
void fcctl_doctor_dir_write (FcctlDoctor *doctor);
void fcctl_doctor_not_tmpfs (FcctlDoctor *doctor);
void fcctl_doctor_shm_small (FcctlDoctor *doctor);
void fcctl_doctor_shm_full (FcctlDoctor *doctor);
void fcctl_doctor_memory_limit (FcctlDoctor *doctor);

/* Slots. */
void fcctl_doctor_version_mismatch (FcctlDoctor *doctor);
void fcctl_doctor_ring_damaged (FcctlDoctor *doctor);
void fcctl_doctor_ring_unreadable (FcctlDoctor *doctor);
void fcctl_doctor_owner_untrusted (FcctlDoctor *doctor);
void fcctl_doctor_access_blocked (FcctlDoctor *doctor);
void fcctl_doctor_slot_twice (FcctlDoctor *doctor);
void fcctl_doctor_writer_dead (FcctlDoctor *doctor);
void fcctl_doctor_table_full (FcctlDoctor *doctor);
void fcctl_doctor_memory_short (FcctlDoctor *doctor);

/* What crashes leave. */
void fcctl_doctor_consumer_dead (FcctlDoctor *doctor);
void fcctl_doctor_leftovers (FcctlDoctor *doctor);

/* The system around them. */
void fcctl_doctor_remove_ipc (FcctlDoctor *doctor);
void fcctl_doctor_registry (FcctlDoctor *doctor);
void fcctl_doctor_state_file (FcctlDoctor *doctor);
void fcctl_doctor_gstreamer (FcctlDoctor *doctor);

G_END_DECLS

#endif /* FCCTL_DOCTOR_H */
