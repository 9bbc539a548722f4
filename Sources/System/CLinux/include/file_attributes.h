/* Owner, mode, access lists and extended attributes of files (xattr(7), acl(5)). */
#ifndef CLINUX_FILE_ATTRIBUTES_H
#define CLINUX_FILE_ATTRIBUTES_H

/* Gives one open file the owner, group, mode and extended attributes of another, access lists and
 * security labels among them; 0, or what could not be copied. */
int clinux_copy_attributes(int from, int to);

#endif
