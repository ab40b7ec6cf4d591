/* Slot names, slot directories and the files in them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc-private.h"

#define SHARED_DIR "/dev/shm/framecache"
#define ID_DIGITS 16

static bool
is_alnum (char c)
{
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
         || (c >= 'a' && c <= 'z');
}

static bool
is_name (const char *slot, size_t length)
{
  if (length < 1 || length > FC_NAME_MAX || !is_alnum (slot[0]))
    return false;
  for (size_t i = 1; i < length; i++)
    if (!is_alnum (slot[i]) && strchr ("._-", slot[i]) == NULL)
      return false;
  return true;
}

int
fc_check_name (const char *slot)
{
  char shown[81];
  size_t length;

  if (slot == NULL)
    return fc_fail (-EINVAL, "no slot name given; it is a name like cam0");
  if (is_name (slot, strnlen (slot, FC_NAME_MAX + 1)))
    return 0;
  /* It may come from anywhere, and a terminal acts on some bytes. */
  length = strnlen (slot, sizeof shown - 1);
  for (size_t i = 0; i < length; i++)
    shown[i] = slot[i] >= ' ' && slot[i] <= '~' ? slot[i] : '?';
  shown[length] = '\0';
  return fc_fail (-EINVAL,
                  "\"%s\" is no slot name: 1 to %d of A-Z a-z 0-9 . _ -, "
                  "beginning with a letter or a digit",
                  shown, FC_NAME_MAX);
}

/* Directories ------------------------------------------------------------- */

static int
dir_path (fc_dir_t *dir, const char *path)
{
  if (strlen (path) >= sizeof dir->path)
    return fc_fail (-ENAMETOOLONG,
                    "the slot directory's path has %zu bytes; the limit is "
                    "%zu",
                    strlen (path), sizeof dir->path - 1);
  strcpy (dir->path, path);
  return 0;
}

/* Open PATH; FLAGS is O_NOFOLLOW where anybody could have put a link. */
static int
dir_open (fc_dir_t *dir, const char *path, int flags)
{
  struct stat st;
  int r = dir_path (dir, path);

  dir->fd = -1;
  if (r < 0)
    return r;
  /* A mode, though nothing is made: without one, _FORTIFY_SOURCE has another
   * function called, at which no test could make it fail. */
  dir->fd
      = FC_RETRY (open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags, 0));
  if (dir->fd < 0)
    return fc_fail (-errno,
                    "can not open the slot directory %s: %s; make it (mkdir "
                    "-m 755), or name another with FC_DIR",
                    path, strerror (errno));
  if (fstat (dir->fd, &st) < 0)
    {
      r = fc_fail (-errno, "can not look at %s: %s", path, strerror (errno));
      fc_dir_close (dir);
      return r;
    }
  dir->owner = st.st_uid;
  dir->group = st.st_gid;
  dir->mode = st.st_mode;
  return 0;
}

void
fc_dir_close (fc_dir_t *dir)
{
  if (dir->fd >= 0)
    close (dir->fd);
  dir->fd = -1;
}

/* Others who may write in it could replace a slot's files. */
static int
dir_check_mode (const fc_dir_t *dir)
{
  if ((dir->mode & (S_IWGRP | S_IWOTH)) == 0 || (dir->mode & S_ISVTX) != 0)
    return 0;
  return fc_fail (-EPERM,
                  "the slot directory %s is not safe: others may write in it "
                  "(mode %04o) and it is not sticky; chmod go-w or chmod +t",
                  dir->path, dir->mode & 07777);
}

bool
fc_dir_is_ours (const fc_dir_t *dir)
{
  return dir->owner == 0 || fc_is_own (dir->fd, dir->owner);
}

static int
dir_check_writer (const fc_dir_t *dir)
{
  if (!fc_dir_is_ours (dir))
    return fc_fail (-EPERM,
                    "the slot directory %s belongs to user %u%s, who could "
                    "replace its files; use one of root's or your own",
                    dir->path, (unsigned) dir->owner,
                    fc_user_note (dir->owner));
  return dir_check_mode (dir);
}

static int
dir_check_create (const fc_dir_t *dir)
{
  if (faccessat (dir->fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
    return 0;
  return fc_fail (-EACCES,
                  "may not make files in the slot directory %s (mode %04o, "
                  "owner %u): %s",
                  dir->path, dir->mode & 07777, (unsigned) dir->owner,
                  strerror (errno));
}

static int
dir_usable (fc_dir_t *dir, const char *path, int flags)
{
  int r = dir_open (dir, path, flags);

  if (r == 0)
    r = dir_check_writer (dir);
  if (r == 0)
    r = dir_check_create (dir);
  if (r < 0)
    fc_dir_close (dir);
  return r;
}

static const char *
given_dir (const char *path)
{
  if (path == NULL)
    path = secure_getenv ("FC_DIR");
  return path != NULL && path[0] != '\0' ? path : NULL;
}

static void
own_dir (char *path, size_t size)
{
  snprintf (path, size, SHARED_DIR "-%u", (unsigned) geteuid ());
}

static void
make_dir (const char *path, mode_t mode)
{
  /* fchmod, not the mode of mkdir: the umask may be anything. Only what this
   * call made is changed. */
  int fd;

  if (mkdir (path, 0700) < 0)
    return;
  fd = FC_RETRY (open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd < 0)
    return;
  (void) fchmod (fd, mode);
  close (fd);
}

int
fc_dir_for_writer (fc_dir_t *dir, const char *path, bool only_look)
{
  char own[sizeof SHARED_DIR + 16];

  path = given_dir (path);
  if (path != NULL)
    return dir_usable (dir, path, 0);
  if (geteuid () == 0 && !only_look)
    make_dir (SHARED_DIR, 0755);
  if (dir_usable (dir, SHARED_DIR, O_NOFOLLOW) == 0)
    return 0;
  own_dir (own, sizeof own);
  if (!only_look)
    make_dir (own, 0700);
  return dir_usable (dir, own, O_NOFOLLOW);
}

int
fc_dir_to_be (fc_dir_t *dir, const char *path)
{
  int r = fc_dir_for_writer (dir, path, true);

  if (r != -ENOENT || given_dir (path) != NULL)
    return r;
  /* Not made yet: what it will be made in tells how much is free. */
  r = dir_open (dir, "/dev/shm", 0);
  if (r == 0 && geteuid () == 0)
    strcpy (dir->path, SHARED_DIR);
  else if (r == 0)
    own_dir (dir->path, sizeof dir->path);
  return r;
}

/* In /dev/shm anybody can make the shared directory before root does. */
static bool
is_strangers (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0 && st.st_uid != 0 && st.st_uid != geteuid ();
}

/* The path of fc_dir_candidate ()'s N-th directory where GIVEN is the only one
 * or NULL, or NULL after the last. OWN is room for it. */
static const char *
candidate_path (const char *given, unsigned n, char *own, size_t size)
{
  if (given != NULL)
    return n == 0 ? given : NULL;
  if (n > 1)
    return NULL;
  own_dir (own, size);
  /* What this user has goes before what a stranger shows. */
  return (n == 0) == is_strangers (SHARED_DIR) ? own : SHARED_DIR;
}

int
fc_dir_candidate (fc_dir_t *dir, const char *path, unsigned n)
{
  char own[sizeof SHARED_DIR + 16];
  const char *given = given_dir (path);
  int r;

  dir->fd = -1;
  path = candidate_path (given, n, own, sizeof own);
  if (path == NULL)
    return -ERANGE;
  r = dir_open (dir, path, given == NULL ? O_NOFOLLOW : 0);
  if (r == -ENOENT)
    return 0;
  if (r == 0)
    r = dir_check_mode (dir);
  if (r < 0)
    fc_dir_close (dir);
  return r;
}

int
fc_slot_dirs (const char *dir, fc_dir_func_t func, void *user_data)
{
  char own[sizeof SHARED_DIR + 16];
  const char *given = given_dir (dir), *path;
  int r = 0;

  for (unsigned n = 0;
       r == 0 && (path = candidate_path (given, n, own, sizeof own)) != NULL;
       n++)
    r = func (path, user_data);
  return r;
}

const char *
fc_dirs_text (void)
{
  static _Thread_local char text[300];
  char own[sizeof SHARED_DIR + 16];
  const char *given = given_dir (NULL);

  own_dir (own, sizeof own);
  if (given != NULL)
    snprintf (text, sizeof text, "%s", given);
  else
    snprintf (text, sizeof text, "%s or %s", SHARED_DIR, own);
  return text;
}

int
fc_dir_lets_through (const fc_dir_t *dir, fc_share_t access, const char *what)
{
  mode_t needed = access == FC_SHARE_ALL     ? S_IXOTH
                  : access == FC_SHARE_GROUP ? S_IXGRP
                                             : 0;

  if ((dir->mode & needed) == needed)
    return 0;
  return fc_fail (-EPERM,
                  "%s=%s is wider than the slot directory %s lets through "
                  "(mode %04o): chmod it, or use another directory",
                  what, access == FC_SHARE_ALL ? "all" : "group", dir->path,
                  dir->mode & 07777);
}

/* Names of files ---------------------------------------------------------- */

void
fc_ring_name (char *name, const char *slot)
{
  snprintf (name, FC_FILE_MAX, "%s.ring", slot);
}

void
fc_lock_name (char *name, const char *slot)
{
  snprintf (name, FC_FILE_MAX, "%s.lock", slot);
}

void
fc_temp_name (char *name, const char *slot, uint64_t id)
{
  snprintf (name, FC_FILE_MAX, ".%s.tmp.%016llx", slot,
            (unsigned long long) id);
}

void
fc_table_name (char *name, const char *slot, uint64_t id)
{
  snprintf (name, FC_FILE_MAX, ".%s.%016llx.consumers", slot,
            (unsigned long long) id);
}

/* NAME without SUFFIX, where what is left is a slot's name. */
static bool
strip (const char *name, const char *suffix, char *slot)
{
  size_t length = strlen (name);
  size_t tail = strlen (suffix);

  if (length <= tail || strcmp (name + length - tail, suffix) != 0
      || !is_name (name, length - tail))
    return false;
  memcpy (slot, name, length - tail);
  slot[length - tail] = '\0';
  return true;
}

/* An id, and SUFFIX behind it, at the end of NAME: where they begin, or NULL.
 */
static const char *
find_id (const char *name, const char *suffix, uint64_t *id)
{
  size_t length = strlen (name);
  size_t tail = ID_DIGITS + strlen (suffix);
  char digits[ID_DIGITS + 1];
  const char *at = name + length - tail;

  if (length <= tail || strspn (at, "0123456789abcdef") != ID_DIGITS
      || strcmp (at + ID_DIGITS, suffix) != 0)
    return NULL;
  memcpy (digits, at, ID_DIGITS);
  digits[ID_DIGITS] = '\0';
  *id = strtoull (digits, NULL, 16);
  return at;
}

bool
fc_is_ring_name (const char *name, char *slot)
{
  return strip (name, ".ring", slot);
}

bool
fc_is_leftover_name (const char *name, char *slot, bool *table, uint64_t *id)
{
  char stem[FC_FILE_MAX];
  const char *at = find_id (name, ".consumers", id);

  *table = at != NULL;
  if (at == NULL)
    at = find_id (name, "", id);
  if (at == NULL || name[0] != '.' || (size_t) (at - name) >= sizeof stem)
    return false;
  memcpy (stem, name + 1, (size_t) (at - name) - 1);
  stem[at - name - 1] = '\0';
  return strip (stem, *table ? "." : ".tmp.", slot);
}

bool
fc_is_lock_name (const char *name, char *slot)
{
  return strip (name, ".lock", slot);
}

/* Files ------------------------------------------------------------------- */

int
fc_file_open (const fc_dir_t *dir, const char *name, int flags, struct stat *st)
{
  int fd = FC_RETRY (
      openat (dir->fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0));
  int r;

  if (fd < 0)
    {
      r = errno == ELOOP ? -EPROTO : -errno;
      return fc_fail (r, "can not open %s/%s: %s", dir->path, name,
                      errno == ELOOP ? "it is a symbolic link"
                                     : strerror (errno));
    }
  if (fstat (fd, st) < 0)
    {
      r = fc_fail (-errno, "can not look at %s/%s: %s", dir->path, name,
                   strerror (errno));
      close (fd);
      return r;
    }
  if (!S_ISREG (st->st_mode))
    {
      close (fd);
      return fc_fail (-EPROTO,
                      "%s/%s is not a regular file; remove it, or use "
                      "another slot name",
                      dir->path, name);
    }
  return fd;
}

int
fc_file_create (const fc_dir_t *dir, const char *name, fc_share_t share)
{
  int fd = FC_RETRY (openat (
      dir->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  bool inherited = (dir->mode & S_ISGID) != 0; /* from the directory */
  int r;

  if (fd < 0)
    return fc_fail (-errno, "can not make %s/%s: %s", dir->path, name,
                    strerror (errno));
  if (share == FC_SHARE_GROUP && !inherited && fc_is_unknown_group (dir->group))
    r = fc_fail (-EPERM,
                 "can not give %s/%s to group %u, which may be any that this "
                 "user namespace does not know; chmod g+s the directory, or "
                 "share the slot with all",
                 dir->path, name, (unsigned) dir->group);
  else if (!inherited && fchown (fd, (uid_t) -1, dir->group) < 0
           && share == FC_SHARE_GROUP)
    r = fc_fail (-errno,
                 "can not give %s/%s to group %u, which the slot is shared "
                 "with: %s; join that group, or use another directory",
                 dir->path, name, (unsigned) dir->group, strerror (errno));
  else if (fchmod (fd, 0600) < 0)
    r = fc_fail (-errno, "can not set the mode of %s/%s: %s", dir->path, name,
                 strerror (errno));
  else
    return fd;
  unlinkat (dir->fd, name, 0);
  close (fd);
  return r;
}

mode_t
fc_access_mode (fc_share_t access)
{
  return access == FC_SHARE_ALL ? 0644 : access == FC_SHARE_GROUP ? 0640 : 0600;
}

mode_t
fc_trust_mode (fc_share_t trust)
{
  return trust == FC_SHARE_ALL ? 0666 : trust == FC_SHARE_GROUP ? 0660 : 0600;
}

int
fc_check_own (const fc_dir_t *dir, const char *slot, int fd,
              const struct stat *st)
{
  if (fd >= 0 ? fc_is_own (fd, st->st_uid) : st->st_uid == geteuid ())
    return 0;
  return fc_fail (-EACCES,
                  "slot %s in %s belongs to user %u; use another slot name, or "
                  "a directory of your own",
                  slot, dir->path, (unsigned) st->st_uid);
}
