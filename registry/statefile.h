/* framecache: the file that keeps reserved slots
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * {"version": 1, "slots": [{"name": "cam0", "frame-size": 3110400, ...}]}: the
 * members of FcrEntry, with - for _; those that are 0 are left out, "access"
 * and "trust" are "user", "group" or "all", and a format that is no UTF-8 text
 * is "format-base64". What changes in memory is on disk after
 * fcr_state_file_save (), all of it or none. One thread at a time.
 */
#ifndef FCR_STATEFILE_H
#define FCR_STATEFILE_H

#include <gio/gio.h>

#include "fc.h"

G_BEGIN_DECLS

/* A slot as it was asked for; numbers that are 0 are libfc's defaults. */
typedef struct
{
  gchar *name;
  gboolean removing; /* it is being removed: its ring may be gone already */
  guint64 frame_size;
  guint32 ring_depth;
  guint32 max_consumers;
  guint32 leases;
  guint32 writer_cells;
  guint32 observers;
  fc_share_t access;
  fc_share_t trust;
  gboolean owner_set;
  guint32 owner;  /* uid */
  GBytes *format; /* NULL: its writer sets it */
} FcrEntry;

/* OWNER is left out where it is who runs this. Of OPTIONS all but dir, the
 * sticky block, the log and what is a writer's business is copied. */
FcrEntry *fcr_entry_new (const gchar *name, const fc_writer_options_t *options,
                         uid_t owner);
FcrEntry *fcr_entry_copy (const FcrEntry *entry);
void fcr_entry_free (FcrEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FcrEntry, fcr_entry_free)
/* OPTIONS are ENTRY's, good for as long as it is. */
void fcr_entry_options (const FcrEntry *entry, const gchar *dir,
                        fc_writer_options_t *options);
/* As fc_plan (): a slot that is reserved without a format has room for any. */
int fcr_entry_plan (const FcrEntry *entry, const gchar *dir, fc_plan_t *plan);
/* Whether STAT's ring is as ENTRY asks for. */
gboolean fcr_entry_is (const FcrEntry *entry, const fc_slot_stat_t *stat);

typedef struct _FcrStateFile FcrStateFile;

/* Reads PATH, which is made by the first save, and keeps other registries from
 * it until it is closed. NULL: a file in memory only. A file that is damaged is
 * moved aside, and what of it is good is taken. NULL with ERROR where the file
 * is a newer version's, unreadable, too large, or another registry's. */
FcrStateFile *fcr_state_file_open (const gchar *path, GError **error);
void fcr_state_file_close (FcrStateFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FcrStateFile, fcr_state_file_close)

/* The file's own, or NULL; good until the entry is set or dropped. */
FcrEntry *fcr_state_file_lookup (FcrStateFile *file, const gchar *name);
/* In the order of their names; the container is the caller's. */
GPtrArray *fcr_state_file_entries (FcrStateFile *file);
/* Takes ENTRY, in the place of the one of its name. */
void fcr_state_file_set (FcrStateFile *file, FcrEntry *entry);
/* The entry, the caller's from now on, or NULL. */
FcrEntry *fcr_state_file_take (FcrStateFile *file, const gchar *name);
/* FALSE with ERROR: the file on disk is as it was. */
gboolean fcr_state_file_save (FcrStateFile *file, GError **error);

G_END_DECLS

#endif /* FCR_STATEFILE_H */
