/* What libfc's own files share. Nothing here leaves the library.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_PRIVATE_H
#define FC_PRIVATE_H

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "fc-layout.h"

#define FC_NS_PER_S INT64_C (1000000000)
/* A consumer that got no frame for this long asks whether the writer lives. */
#define FC_SLICE_NS (250 * FC_NS_PER_S / 1000)

/* CALL, made again where a signal interrupted it. On tmpfs none of these calls
 * is; a slot directory can be on another file system. */
#define FC_RETRY(call)                                                         \
  ({                                                                           \
    __typeof__ (call) result_;                                                 \
                                                                               \
    do                                                                         \
      result_ = (call);                                                        \
    while (result_ < 0 && errno == EINTR);                                     \
    result_;                                                                   \
  })

/* Fences stand only where the other side is an observer's pread or a breach of
 * trust: never between two threads that ThreadSanitizer could watch, and it
 * does not know fences. */
static inline void
fc_fence (memory_order order)
{
#ifndef __SANITIZE_THREAD__
  atomic_thread_fence (order);
#else
  (void) order;
#endif
}

/* fc-error.c ------------------------------------------------------------- */

/* Runs for each frame. Such functions lie together, so that one that comes
 * after a whole frame was filled, or out of a sleep, finds its code on few
 * pages and few lines. */
#define FC_HOT __attribute__ ((hot))

typedef struct
{
  fc_log_func_t func;
  void *data;
} fc_log_t;

/* Remember the sentence for this thread; returns ERROR. */
int fc_fail (int error, const char *format, ...)
    __attribute__ ((cold, format (printf, 2, 3)));
/* Whether ERROR is one of this process or machine, which is out of memory or
 * descriptors, or fails: what was looked at may be sound, and is not to be
 * taken for damaged, or for not there. */
bool fc_is_system_error (int error);
void fc_log (const fc_log_t *log, fc_log_level_t level, const char *format, ...)
    __attribute__ ((cold, format (printf, 3, 4)));

/* Whether a struct that the caller sized is one that this library knows. */
int fc_check_struct (const char *what, uint32_t struct_size, size_t known);
/* The same for a struct that has grown, from LEAST bytes to KNOWN: what FROM is
 * too old to have is 0 in INTO. */
int fc_take_struct (const char *what, void *into, size_t known,
                    const void *from, size_t least);

/* fc-time.c -------------------------------------------------------------- */

uint64_t fc_now (clockid_t clock);
/* When a wait of TIMEOUT (ns, FC_FOREVER) ends: monotonic ns. */
uint64_t fc_deadline (int64_t timeout);
/* UNTIL, at most LIMIT ns from now. */
uint64_t fc_until (uint64_t until, uint64_t limit);
/* Sleep for NS, however many signals come meanwhile. */
void fc_pause (uint64_t ns);

/* fc-futex.c ------------------------------------------------------------- */

/* Sleep while *WORD is VALUE, until woken, or UNTIL (monotonic ns). Any return
 * may be for nothing: look again. */
void fc_futex_wait (const _Atomic uint32_t *word, uint32_t value,
                    uint64_t until);
/* The same on a word of this process alone. */
void fc_futex_wait_own (const _Atomic uint32_t *word, uint32_t value,
                        uint64_t until);
/* On both at once; before Linux 5.16, on WORD alone. */
void fc_futex_wait_either (const _Atomic uint32_t *word, uint32_t value,
                           const _Atomic uint32_t *own, uint32_t own_value,
                           uint64_t until);
/* Wake so many who sleep on WORD, or one on a word of this process alone. */
void fc_futex_wake (_Atomic uint32_t *word, int sleepers);
void fc_futex_wake_own (_Atomic uint32_t *word);

/* Times in a ring are those of the machine's own monotonic clock, so that all
 * processes understand them: what is to be added to get this process's, which
 * is not 0 in a time namespace. */
int64_t fc_clock_offset (void);
/* From a ring's time to this process's, and back. */
uint64_t fc_time_here (uint64_t machine, int64_t offset);
uint64_t fc_time_of_machine (uint64_t here, int64_t offset);

/* fc-fork.c --------------------------------------------------------------- */

/* A word that is 1 where it was made, and 0 in a child that was forked later;
 * NULL where the system has none, which tells nothing. */
uint32_t *fc_mark_new (void);
void fc_mark_free (uint32_t *mark);
/* Close a child's copy of a descriptor, once. */
void fc_close_copy (int *fd);

static inline bool
fc_is_copy (const uint32_t *mark)
{
  return mark != NULL && *mark == 0;
}

/* fc-geometry.c ---------------------------------------------------------- */

/* Work out GEO from a ring's numbers, or -EINVAL. */
int fc_geometry (fc_geometry_t *geo, uint64_t frame_size, uint32_t depth,
                 uint32_t consumers, uint32_t leases, uint32_t writer_cells,
                 uint64_t format_capacity);
/* The same from a writer's options, defaults filled in. */
int fc_geometry_of_options (fc_geometry_t *geo,
                            const fc_writer_options_t *options);
/* Copy what the caller gave over the defaults, and check it. */
int fc_take_writer_options (fc_writer_options_t *into,
                            const fc_writer_options_t *from);
/* The same for who needs the sizes alone: format may be NULL. */
int fc_take_writer_sizes (fc_writer_options_t *into,
                          const fc_writer_options_t *from);
/* Check a ring's header, already copied, against the size of its file. */
int fc_check_ring_header (const fc_ring_header_t *header, uint64_t file_size,
                          const char *path, fc_geometry_t *geo);
int fc_check_table_header (const fc_table_header_t *header,
                           const fc_geometry_t *geo, uint64_t id,
                           uint64_t file_size, const char *path);

/* fc-owner.c ------------------------------------------------------------- */

/* Whether the file behind FD, which stat says is UID's, is this process's
 * user's: that the numbers are the same does not say it. */
bool fc_is_own (int fd, uid_t uid);
/* Whether this number stands for all that the user namespace has none for. */
bool fc_is_unknown_user (uid_t uid);
bool fc_is_unknown_group (gid_t gid);
/* What a sentence has to say of UID behind its number: mostly nothing. */
const char *fc_user_note (uid_t uid);

/* fc-dir.c --------------------------------------------------------------- */

typedef struct
{
  int fd;
  uid_t owner;
  mode_t mode;
  gid_t group;
  char path[256];
} fc_dir_t;

#define FC_PATH_MAX (256 + FC_NAME_MAX + 64)
#define FC_FILE_MAX (FC_NAME_MAX + 64) /* a file's name in its directory */

int fc_check_name (const char *slot);
/* The directory in which this process makes slots; made where it is missing
 * and one of the usual ones, unless ONLY_LOOK. */
int fc_dir_for_writer (fc_dir_t *dir, const char *path, bool only_look);
/* The same without making it: DIR->fd is then of what it would be made in. */
int fc_dir_to_be (fc_dir_t *dir, const char *path);
/* The N-th directory where a consumer looks; 0 where there is none (-1 in
 * dir->fd: it does not exist), -ERANGE after the last. */
int fc_dir_candidate (fc_dir_t *dir, const char *path, unsigned n);
void fc_dir_close (fc_dir_t *dir);
/* The directories where a slot is looked for, for a sentence. */
const char *fc_dirs_text (void);
/* Whether nobody but root and this process's user can replace its files. */
bool fc_dir_is_ours (const fc_dir_t *dir);
/* Whether ACCESS reaches through the directory's mode. */
int fc_dir_lets_through (const fc_dir_t *dir, fc_share_t access,
                         const char *what);

void fc_ring_name (char *name, const char *slot);
void fc_lock_name (char *name, const char *slot);
void fc_temp_name (char *name, const char *slot, uint64_t id);
void fc_table_name (char *name, const char *slot, uint64_t id);
/* Whether NAME is a ring; a lock; a temporary, or a table, and of which ring
 * id. SLOT gets the slot's name. */
bool fc_is_ring_name (const char *name, char *slot);
bool fc_is_lock_name (const char *name, char *slot);
bool fc_is_leftover_name (const char *name, char *slot, bool *table,
                          uint64_t *id);

/* Open a file that is there: regular, no symbolic link, close-on-exec. */
int fc_file_open (const fc_dir_t *dir, const char *name, int flags,
                  struct stat *st);
/* Make one that is not there yet, nobody else's whatever the umask, in the
 * directory's group where SHARE is FC_SHARE_GROUP. */
int fc_file_create (const fc_dir_t *dir, const char *name, fc_share_t share);
mode_t fc_access_mode (fc_share_t access);
mode_t fc_trust_mode (fc_share_t trust);

/* 0, or -EACCES where FD, open on a file of SLOT, or -1, belongs to somebody
 * else: who owns a file can cut it under whoever has it mapped, and read what
 * is written to it. */
int fc_check_own (const fc_dir_t *dir, const char *slot, int fd,
                  const struct stat *st);

/* fc-lock.c -------------------------------------------------------------- */

/* Try to lock bytes for this open file description: 0 or -EAGAIN. */
int fc_lock_bytes (int fd, off_t start, off_t length);
void fc_unlock_bytes (int fd, off_t start, off_t length);
/* Take cam0.lock, made where it is missing: its descriptor, or -EBUSY. With
 * PATIENT only after a tenth of a second: who collects what a crash left has
 * it for a moment. */
int fc_slot_lock (const fc_dir_t *dir, const char *slot, bool patient);
/* The same for who will write the slot, or for OWNER to do so: only a lock
 * that is the caller's or OWNER's keeps others out. */
int fc_slot_lock_own (const fc_dir_t *dir, const char *slot, uid_t owner);
/* Take the file of a lock that the caller has away where the slot has no ring:
 * whoever waits for it makes a new one. */
void fc_slot_remove_lock (const fc_dir_t *dir, const char *slot);
/* Whether another description has a write lock there. */
bool fc_is_locked (int fd, off_t start, off_t length);

/* fc-map.c --------------------------------------------------------------- */

/* Map LENGTH bytes of FD, shared; NULL on failure with fc_error_detail (). */
void *fc_map (int fd, uint64_t length, bool writable, const char *path);
void fc_unmap (void *base, uint64_t length);
/* Have the page tables filled before a frame needs them. */
void fc_populate_write (void *base, uint64_t length);
/* The same where frames may be written meanwhile. */
void fc_populate_live (void *base, uint64_t length);
void fc_populate_read (const void *base, uint64_t length);
/* Reserve the file's bytes up to LENGTH; -ENOSPC names what is missing. */
int fc_reserve (int fd, uint64_t start, uint64_t length, const char *path);
/* The same as part of NEEDED bytes, of which AVAILABLE were free. */
int fc_reserve_of (int fd, uint64_t start, uint64_t length, uint64_t needed,
                   uint64_t available, const char *path);
/* A read that is whole or an error: -EPROTO where the file is too short. */
int fc_pread (int fd, void *into, size_t size, uint64_t offset,
              const char *path);
uint64_t fc_bytes_free (int fd);

/* fc-table.c ------------------------------------------------------------- */

/* The consumer table as one process has it mapped, or, for who only looks at
 * it, read into memory of its own: a file that is cut then costs an error. */
typedef struct
{
  int fd;
  bool copied;
  void *base;
  uint64_t size;
  uint32_t entries;
  uint32_t leases;
  uint32_t stride;
  uint32_t offset; /* of entry 0 */
} fc_table_t;

void fc_table_init (fc_table_t *table, int fd, void *base,
                    const fc_geometry_t *geo);
void fc_table_close (fc_table_t *table);
/* Read a copy's first SIZE bytes anew. */
int fc_table_reread (fc_table_t *table, size_t size, const char *path);
fc_entry_t *fc_table_entry (const fc_table_t *table, uint32_t i);
_Atomic uint64_t *fc_table_attached (const fc_table_t *table);
bool fc_table_is_attached (const fc_table_t *table, uint32_t i);
uint32_t fc_table_count (const fc_table_t *table);
/* The next attached entry from I on, or table->entries. */
uint32_t fc_table_next (const fc_table_t *table, uint32_t i);
/* Take a free entry: its number, -EUSERS or another error. */
int fc_table_attach (fc_table_t *table, const char *path);
void fc_table_detach (fc_table_t *table, uint32_t i);
/* Free the entries of the dead; returns how many. Never through a
 * description that owns an entry: its own lock would not stop it. */
unsigned fc_table_reap (fc_table_t *table);
/* Wake an entry's consumer, or every attached one, waiting or not. */
void fc_table_wake (fc_entry_t *entry);
void fc_table_wake_all (fc_table_t *table);
/* Wake those who wait; returns false, having woken nobody, where they are more
 * than LIMIT. */
bool fc_table_wake_waiting (fc_table_t *table, unsigned limit);
/* Set the bit of every cell that a lease names in MARKS. */
void fc_table_mark_leased (const fc_table_t *table, uint64_t *marks,
                           uint32_t cells);
/* The number after that of the last cell that a lease names, of CELLS; 0 where
 * there is none. */
uint32_t fc_table_end_of_leased (const fc_table_t *table, uint32_t cells);
unsigned fc_table_take_requests (fc_table_t *table);

/* fc-ring.c -------------------------------------------------------------- */

/* A ring's file opened for reading, its header checked. */
typedef struct
{
  int fd;
  struct stat st;
  fc_ring_header_t header;
  fc_geometry_t geo;
  char path[FC_PATH_MAX];
} fc_ring_file_t;

int fc_ring_open (fc_ring_file_t *ring, const fc_dir_t *dir, const char *slot,
                  int flags);
int fc_ring_from_fd (fc_ring_file_t *ring, int fd);
void fc_ring_close (fc_ring_file_t *ring);
/* Open and check the table of RING, and map it (FLAGS: O_RDWR) or copy it
 * (O_RDONLY). */
int fc_table_open (fc_table_t *table, const fc_ring_file_t *ring,
                   const fc_dir_t *dir, const char *slot, int flags);
int fc_table_from_fd (fc_table_t *table, const fc_ring_file_t *ring, int fd);
/* The id of the table that SLOT's ring names; 0 where no ring does. False where
 * that can not be told: then none is to be deleted. */
bool fc_find_table (const fc_dir_t *dir, const char *slot, uint64_t *id);
/* Delete temporaries and tables of SLOT that no ring names. The caller has
 * its lock. Returns how many. */
int fc_sweep (const fc_dir_t *dir, const char *slot);
/* The same beside a writer that lives, after its ring, which had the id GONE,
 * was removed. */
void fc_sweep_without_lock (const fc_dir_t *dir, const char *slot,
                            uint64_t gone);
uint64_t fc_random (void);

/* fc-view.c -------------------------------------------------------------- */

/* fc_slot_stat () in fc_dir_candidate ()'s N-th directory. */
int fc_stat_in (const char *path, unsigned n, const char *slot,
                fc_slot_stat_t *stat);
/* When RING was last written to, or was made: monotonic ns. */
uint64_t fc_ring_touched (const fc_ring_file_t *ring);

/* fc-slots.c ------------------------------------------------------------- */

typedef struct
{
  char name[FC_NAME_MAX + 1];
  unsigned dir;   /* fc_dir_candidate ()'s number */
  bool left_over; /* a temporary or a table: */
  bool table;
  uint64_t id;
} fc_found_t;

typedef struct
{
  fc_found_t *item; /* by name, then by directory; the caller's to free */
  size_t n;
} fc_names_t;

/* Which slots have a ring, or with LEFT any file, in the directories where a
 * consumer looks; an item for each file. */
int fc_names_collect (fc_names_t *names, const char *dir, bool left);
int fc_by_name (const void *a, const void *b);

#endif /* FC_PRIVATE_H */
