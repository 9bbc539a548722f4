import Glibc
public import MigrationModel
public import SystemPackage

/// Turns the results of system calls into values or errors that say what was tried on what.
public enum SystemCall {
    /// Runs a call that reports failure as -1 with `errno`, again after `EINTR`.
    ///
    /// - Parameters:
    ///   - name: the call as in its manual page, for the message.
    ///   - place: the file, socket or host that it works on.
    ///   - code: the kind of error to report.
    ///   - call: the call.
    /// - Throws: an error that names call, place and the system's reason.
    @discardableResult
    public static func check<Value: SignedInteger>(
        _ name: String, at place: String = "", as code: ErrorCode = .io, _ call: () -> Value
    ) throws(LivemigError) -> Value {
        while true {
            let result = call()
            if result != -1 { return result }
            let reason = Errno(rawValue: errno)
            if reason != .interrupted { throw failure(name, reason, at: place, as: code) }
        }
    }

    /// Runs a function of the C shims, which reports failure as a negated `errno`.
    /// - Throws: an error that names call, place and the system's reason.
    @discardableResult
    public static func checkNegated<Value: SignedInteger>(
        _ name: String, at place: String = "", as code: ErrorCode = .io, _ call: () -> Value
    ) throws(LivemigError) -> Value {
        let result = call()
        guard result < 0 else { return result }
        throw failure(name, Errno(rawValue: CInt(-result)), at: place, as: code)
    }

    /// The error of a call that failed for a reason.
    public static func failure(
        _ name: String, _ reason: Errno, at place: String = "", as code: ErrorCode = .io
    ) -> LivemigError {
        guard let remedy = remedy(for: reason) else {
            return LivemigError(code, "\(name): \(reason)", at: place)
        }
        return LivemigError(.resource, "\(name): \(reason)", at: place, fix: remedy)
    }

    /// What to do about a resource that has run out; `nil` for other reasons.
    private static func remedy(for reason: Errno) -> String? {
        switch reason {
        case .noMemory: "free memory on this machine"
        case .tooManyOpenFiles: "raise the limit of open files with ulimit -n"
        case .tooManyOpenFilesInSystem: "raise fs.file-max"
        case .noSpace: "free space on that file system"
        default: nil
        }
    }
}
