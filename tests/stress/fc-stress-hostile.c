/* The stress of slots: the hostile. Three kinds are trusted by the slot, and
 * leave nothing of its consumer table alone. The fourth may only observe.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fc-private.h"

#define NOBODY 65534
#define FILES_MAX 16
#define PLACES_MAX 64

/* Another user than the writer, unless the stress is nobody's but its own. */
static bool is_other;

static void
become_other (void)
{
  if (geteuid () != 0)
    return;
  if (setgroups (0, NULL) < 0 || setresgid (NOBODY, NOBODY, NOBODY) < 0
      || setresuid (NOBODY, NOBODY, NOBODY) < 0)
    {
      perror ("becoming nobody");
      _exit (1);
    }
  /* another identity clears the wish to end with the parent */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  is_other = true;
}

static bool
ends_with (const char *name, const char *end)
{
  size_t length = strlen (name), tail = strlen (end);

  return length >= tail && strcmp (name + length - tail, end) == 0;
}

static int
open_in_dir (const char *name, int flags)
{
  char path[600];

  snprintf (path, sizeof path, "%s/%s", options.dir, name);
  return open (path, flags | O_CLOEXEC | O_NOFOLLOW);
}

/* Call FUNC for each of the slot's files. */
static void
each_file (void (*func) (const char *name, void *data), void *data)
{
  DIR *dir = opendir (options.dir);
  struct dirent *entry;

  while (dir && (entry = readdir (dir)))
    if (strstr (entry->d_name, options.slot))
      func (entry->d_name, data);
  if (dir)
    closedir (dir);
}

/* Liars ------------------------------------------------------------------ */

typedef struct
{
  uint8_t *base;
  fc_geometry_t geo;
  fc_table_header_t good; /* as the writer wrote it */
  bool has_good;
  uint64_t random;
} table_t;

static void
map_table (const char *name, void *data)
{
  table_t *table = data;
  struct stat st;
  void *base;
  int fd;

  if (!ends_with (name, ".consumers"))
    return;
  fd = open_in_dir (name, O_RDWR);
  if (fd < 0)
    return;
  base = fstat (fd, &st) < 0 || (uint64_t) st.st_size < table->geo.table_size
             ? MAP_FAILED
             : mmap (NULL, table->geo.table_size, PROT_READ | PROT_WRITE,
                     MAP_SHARED, fd, 0);
  close (fd);
  if (base == MAP_FAILED)
    return;
  if (table->base)
    munmap (table->base, table->geo.table_size);
  table->base = base;
  memcpy (&table->good, base, sizeof table->good);
  table->has_good = memcmp (table->good.magic, FC_TABLE_MAGIC, 8) == 0;
}

static void
store_anywhere (table_t *table)
{
  uint64_t at = chance (&table->random) % (table->geo.table_size / 4) * 4;
  uint64_t value = chance (&table->random);

  /* a damaged header keeps everybody out until the next ring: seldom */
  if (at < sizeof (fc_table_header_t) && !once_in (&table->random, 64))
    return;
  atomic_store ((_Atomic uint32_t *) (table->base + at),
                (uint32_t) (value >> value % 32));
}

static void
store_lease (table_t *table, fc_entry_t *entry)
{
  uint64_t value = chance (&table->random);
  uint32_t cell = (uint32_t) (value >> 32);

  switch (value % 4)
    {
    case 0: /* one that there is not */
      break;
    case 1:
    case 2:
      cell = 0;
      break;
    default:
      cell = 1 + cell % table->geo.cells_planned;
      break;
    }
  atomic_store (&entry->lease[value / 4 % LEASES], cell);
}

static fc_entry_t *
entry_of (const table_t *table, uint32_t n)
{
  return (fc_entry_t *) (table->base + table->geo.entries_offset
                         + (uint64_t) n * table->geo.entry_stride);
}

static _Atomic uint64_t *
attached_of (const table_t *table, uint32_t n)
{
  return (_Atomic uint64_t *) (table->base + FC_ATTACHED_OFFSET) + n / 64;
}

/* Each on a cell of its own: as much as leases can take from the writer. */
static void
store_all_leases (table_t *table)
{
  uint32_t cells = table->geo.cells_planned;
  uint32_t cell = (uint32_t) (chance (&table->random) % cells);

  for (uint32_t n = 0; n < table->geo.max_consumers; n++)
    {
      atomic_fetch_or (attached_of (table, n), UINT64_C (1) << n % 64);
      for (unsigned k = 0; k < LEASES; k++)
        atomic_store (&entry_of (table, n)->lease[k], 1 + cell++ % cells);
    }
}

static void
lie (table_t *table)
{
  uint32_t n = (uint32_t) (chance (&table->random) % table->geo.max_consumers);
  fc_entry_t *entry = entry_of (table, n);
  _Atomic uint64_t *attached = attached_of (table, n);

  switch (chance (&table->random) % 8)
    {
    case 0:
      store_anywhere (table);
      break;
    case 1:
      atomic_fetch_xor (attached, UINT64_C (1) << n % 64);
      break;
    case 2:
      atomic_store (&entry->waiting, (uint32_t) chance (&table->random) % 3);
      break;
    case 3:
      for (unsigned k = 0; k < LEASES; k++)
        atomic_store (&entry->lease[k], 0);
      break;
    default:
      store_lease (table, entry);
      break;
    }
}

static _Noreturn void
run_liar (uint64_t seed)
{
  table_t table = { .random = seed };

  if (fc_geometry (&table.geo, options.frame_size, options.depth,
                   options.entries, LEASES, 2, 8)
      < 0)
    wrong ("%s", fc_error_detail ());
  for (;;)
    {
      each_file (map_table, &table);
      for (unsigned round = 0; table.base && round < 50; round++)
        {
          if (table.has_good)
            memcpy (table.base, &table.good, sizeof table.good);
          for (unsigned i = 0; i < 500; i++)
            lie (&table);
          if (round % 8 == 0)
            {
              store_all_leases (&table);
              sleep_ns ((int64_t) (chance (&table.random) % (8 * MS)));
            }
          count (HOSTILE_ACTS, 500);
          sleep_ns ((int64_t) (chance (&table.random) % MS / 4));
        }
      if (!table.base)
        sleep_ns (MS);
    }
}

/* Lockers ---------------------------------------------------------------- */

typedef struct
{
  int fd[FILES_MAX];
  ino_t ino[FILES_MAX];
  unsigned files;
} locks_t;

/* The lock itself is the writer's user's alone, as is writing the ring. */
static int
open_to_lock (const char *name, short *type)
{
  int fd;

  if (!is_other && ends_with (name, ".lock"))
    return -1;
  fd = is_other || ends_with (name, ".consumers") ? open_in_dir (name, O_RDWR)
                                                  : -1;
  if (fd >= 0 && !ends_with (name, ".consumers"))
    wrong ("another user may write %s", name);
  *type = fd >= 0 ? F_WRLCK : F_RDLCK;
  return fd >= 0 ? fd : open_in_dir (name, O_RDONLY);
}

/* Those of the entries, and the writer's. The writer's own user could as well
 * take the slot's lock, or kill it: he leaves the writer's alone. */
static void
lock_bytes (int fd, short type)
{
  struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_len = 1 };

  for (; lock.l_start < options.entries + (is_other ? 4 : 0); lock.l_start++)
    if (fcntl (fd, F_OFD_SETLK, &lock) == 0)
      count (HOSTILE_ACTS, 1);
  (void) flock (fd, LOCK_EX | LOCK_NB);
}

static void
lock_file (const char *name, void *data)
{
  locks_t *locks = data;
  struct stat st;
  short type;
  int fd = open_to_lock (name, &type);

  if (fd < 0 || fstat (fd, &st) < 0)
    return;
  for (unsigned i = 0; i < locks->files; i++)
    if (locks->ino[i] == st.st_ino)
      {
        close (fd);
        lock_bytes (locks->fd[i], type);
        return;
      }
  lock_bytes (fd, type);
  if (locks->files == FILES_MAX)
    while (locks->files > 0)
      close (locks->fd[--locks->files]);
  locks->ino[locks->files] = st.st_ino;
  locks->fd[locks->files++] = fd;
}

/* As soon as there is a file: before its maker has locked it, if that can be.
 */
static _Noreturn void
run_locker (void)
{
  struct pollfd events
      = { .fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK), .events = POLLIN };
  locks_t locks = { .files = 0 };
  char told[4096];

  inotify_add_watch (events.fd, options.dir,
                     IN_CREATE | IN_MOVED_TO | IN_ATTRIB);
  for (;;)
    {
      each_file (lock_file, &locks);
      (void) poll (&events, 1, 5);
      while (read (events.fd, told, sizeof told) > 0)
        ;
    }
}

/* Hoarders --------------------------------------------------------------- */

typedef struct
{
  fc_consumer_t *consumer;
  fc_frame_t frame[LEASES];
  unsigned frames;
} place_t;

static bool
take_place (place_t *place, bool observe)
{
  fc_consumer_options_t consumer = FC_CONSUMER_OPTIONS_INIT;
  int ret;

  consumer.dir = options.dir;
  consumer.position.start = FC_START_OLDEST;
  consumer.observe = observe;
  ret = fc_consumer_open (&place->consumer, options.slot, &consumer);
  if (ret == -EUSERS)
    may_be_turned_away (ret);
  place->frames = 0;
  return ret == 0;
}

static void
take_leases (place_t *place)
{
  while (place->frames < LEASES)
    {
      fc_frame_t *frame = &place->frame[place->frames];

      *frame = (fc_frame_t) FC_FRAME_INIT;
      if (fc_consumer_lease (place->consumer, frame, 0) < 0)
        return;
      place->frames++;
    }
}

static void
give_place (place_t *place)
{
  while (place->frames > 0)
    fc_consumer_release (place->consumer, &place->frame[--place->frames]);
  fc_consumer_close (place->consumer);
}

static _Noreturn void
run_hoarder (uint64_t seed)
{
  place_t place[PLACES_MAX];
  unsigned places = 0;

  for (;;)
    {
      while (places < PLACES_MAX && take_place (&place[places], false))
        places++;
      for (unsigned i = 0; i < places; i++)
        {
          take_leases (&place[i]);
          count (HOSTILE_ACTS, 1 + place[i].frames);
        }
      sleep_ns ((int64_t) (chance (&seed) % (10 * MS)));
      if (once_in (&seed, 32))
        while (places > 0)
          give_place (&place[--places]);
    }
}

/* Strangers -------------------------------------------------------------- */

/* What is not granted. A ring may be read, and has the mode for it a moment
 * before it has its name. */
static void
try_to_write (const char *name, void *data)
{
  int fd = open_in_dir (name, O_RDWR);

  (void) data;
  if (fd < 0 && !ends_with (name, ".ring") && strstr (name, ".tmp.") == NULL)
    fd = open_in_dir (name, O_RDONLY);
  if (fd >= 0)
    {
      wrong ("a stranger opened %s", name);
      close (fd);
    }
  count (HOSTILE_ACTS, 1);
}

/* Lock the ring, and wake who sleeps on its word. */
static void
meddle (const char *name, void *data)
{
  locks_t *locks = data;
  fc_geometry_t geo;
  uint8_t *base;

  if (!ends_with (name, ".ring"))
    return;
  lock_file (name, locks);
  if (locks->files == 0
      || fc_geometry (&geo, options.frame_size, options.depth, options.entries,
                      LEASES, 2, 8)
             < 0)
    return;
  base = mmap (NULL, BLOCK, PROT_READ, MAP_SHARED, locks->fd[locks->files - 1],
               0);
  if (base == MAP_FAILED)
    return;
  for (unsigned i = 0; i < 100; i++)
    syscall (SYS_futex, base + geo.words_offset + offsetof (fc_words_t, wake),
             FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
  count (HOSTILE_ACTS, 100);
  munmap (base, BLOCK);
}

static void
read_some (place_t *place, uint64_t *random)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;
  fc_frame_t frame = FC_FRAME_INIT;

  fc_consumer_stats (place->consumer, &stats);
  if (is_other && !stats.observing)
    wrong ("a stranger has a place in the consumer table");
  if (is_other && fc_consumer_lease (place->consumer, &frame, 0) != -EPERM)
    wrong ("a stranger has a lease");
  for (uint64_t n = chance (random) % 8; n > 0; n--)
    {
      frame = (fc_frame_t) FC_FRAME_INIT;
      if (fc_consumer_read (place->consumer, &frame, MS) >= 0
          && !payload_whole (frame.data, frame.size, frame.seq))
        {
          count (TORN, 1);
          wrong ("torn as observed: seq %" PRIu64, frame.seq);
        }
    }
}

static _Noreturn void
run_stranger (uint64_t seed)
{
  place_t place[PLACES_MAX];
  locks_t locks = { .files = 0 };
  unsigned places = 0;

  for (;;)
    {
      if (is_other)
        each_file (try_to_write, NULL);
      each_file (meddle, &locks);
      /* not to observe has to come to the same for another user */
      while (places < PLACES_MAX && take_place (&place[places], !is_other))
        places++;
      for (unsigned i = 0; i < places; i++)
        read_some (&place[i], &seed);
      count (HOSTILE_ACTS, places);
      while (places > 0 && !once_in (&seed, PLACES_MAX))
        give_place (&place[--places]);
    }
}

void
run_hostile (role_t role, uint64_t seed)
{
  become_other ();
  switch (role)
    {
    case LIAR:
      run_liar (seed);
    case LOCKER:
      run_locker ();
    case HOARDER:
      run_hoarder (seed);
    default:
      run_stranger (seed);
    }
}
