import Glibc
public import SystemPackage

extension ChildProcess {
    /// Replaces this process by another program (execve(2)), with the standard descriptors and
    /// those that are not close-on-exec.
    ///
    /// - Parameters:
    ///   - program: the program file.
    ///   - words: its arguments, its own name first.
    ///   - environment: its whole environment.
    /// - Returns: why it could not be; only where it could not.
    public static func replaceSelf(
        _ program: String, _ words: [String], environment: [String: String]
    ) -> Errno {
        let variables = environment.map { "\($0.key)=\($0.value)" }
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        var values = unsafe variables.map { unsafe strdup($0) } + [nil]
        _ = unsafe execve(program, &arguments, &values)
        let reason = Errno(rawValue: errno)
        unsafe arguments.forEach { unsafe free($0) }
        unsafe values.forEach { unsafe free($0) }
        return reason
    }
}
