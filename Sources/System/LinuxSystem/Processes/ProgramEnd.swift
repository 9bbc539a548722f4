import Glibc

/// The end of a program that has threads.
public enum ProgramEnd {
    /// Ends the program at once, with what was printed written out.
    ///
    /// Threads may still be inside a library, such as an SSH connection that is being closed.
    /// exit(3) would run the libraries' clean-up beside them: OpenSSL frees the locks that they
    /// hold. The kernel takes back everything that matters.
    /// - Parameter status: the exit status, 0–255.
    public static func leave(_ status: Int32) -> Never {
        fflush(nil)
        _exit(status)
    }
}
