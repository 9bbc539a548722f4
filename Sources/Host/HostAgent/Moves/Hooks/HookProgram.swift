import Glibc
import LinuxSystem
import MigrationModel
import SystemPackage

/// A hook of this host, found and fit to be run.
///
/// An agent runs as root, so that whoever can write a hook is root: it must belong to root or to the
/// agent's user, and so must its folder, and nobody else may write either.
struct HookProgram: Sendable {
    private let hook: HostHook
    private let path: String
    private let root: HostRoot

    /// Finds a hook.
    /// - Returns: `nil` where there is none.
    /// - Throws: `E-HOOK` for something else of its name, one that others may write, and one that the
    ///   kernel would not execute.
    static func find(_ hook: HostHook, in root: HostRoot) throws(LivemigError) -> HookProgram? {
        let path = "\(root.hooks)/\(hook.rawValue)"
        guard let folder = try status(of: root.hooks) else { return nil }
        try check(folder, is: S_IFDIR, "folder", at: root.hooks)
        guard let file = try status(of: path) else { return nil }
        try check(file, is: S_IFREG, "regular file", at: path)
        guard file.st_mode & 0o111 != 0 else {
            throw LivemigError(
                .hook, "the hook cannot be run", at: path,
                fix: "chmod 755 it, or remove it")
        }
        try ProgramFile(path: path, code: .hook).requireExecutable()
        return HookProgram(hook: hook, path: path, root: root)
    }

    /// What would become of the hooks of a move here: one that may refuse it would, and another one
    /// would fail when the move is over.
    static func moveFindings(in root: HostRoot) -> [Finding] {
        var findings: [Finding] = []
        findings.note { () throws(LivemigError) in _ = try find(.preMove, in: root) }
        do throws(LivemigError) {
            _ = try find(.postMove, in: root)
        } catch {
            // A folder that is not safe is told once.
            let isTold = findings.contains { $0.place == error.place }
            if !isTold {
                findings.append(
                    Finding(.warning(.hook), error.what, at: error.place, fix: error.fix))
            }
        }
        return findings
    }

    private static func status(of path: String) throws(LivemigError) -> stat? {
        var status = stat()
        guard unsafe lstat(path, &status) != 0 else { return status }
        if errno == ENOENT { return nil }
        throw SystemCall.failure("lstat", Errno(rawValue: errno), at: path, as: .hook)
    }

    private static func check(
        _ status: stat, is type: mode_t, _ word: String, at path: String
    ) throws(LivemigError) {
        guard status.st_mode & S_IFMT == type else {
            throw LivemigError(
                .hook, "not a \(word)", at: path, fix: "put one in its place, or remove it")
        }
        guard status.st_uid == 0 || status.st_uid == geteuid() else {
            throw LivemigError(
                .hook, "it belongs to user \(status.st_uid), who could run anything by it",
                at: path, fix: "see what it is, then chown it to root")
        }
        guard status.st_mode & 0o022 == 0 else {
            let mode = String(status.st_mode & 0o7777, radix: 8)
            throw LivemigError(
                .hook, "others may write it (mode 0\(mode))", at: path,
                fix: "see what it is, then chmod 755 it")
        }
    }

    /// Runs the hook to its end.
    ///
    /// - Parameters:
    ///   - event: what it is told.
    ///   - isWanted: whether the outcome is still of interest; asked ten times a second.
    /// - Throws: `E-HOOK` with the hook's last line when it ends with another status than 0, or not
    ///   in time; `E-CANCELLED` when it is not wanted any more. It has ended then.
    func run(_ event: HookEvent, while isWanted: () -> Bool = { true }) throws(LivemigError) {
        let result = try LimitedProgram(path, in: root.path).run(
            input: event.line, limit: HostHook.limit, as: .hook, while: isWanted)
        let what: String
        switch result.ending {
        case .ended(0): return
        case .ended(let status): what = "ended with status \(status)"
        case .late: what = "did not end in \(HostHook.limit.brief) and was killed"
        case .unwanted:
            throw LivemigError(.cancelled, "given up while the hook \(hook.rawValue) ran")
        }
        let line = result.lastLine.isEmpty ? "" : ": \(result.lastLine.escaped())"
        throw LivemigError(
            .hook, "the hook \(hook.rawValue) \(what)\(line)", at: path,
            fix: hook.mayRefuse ? "nothing was begun; see to what it says, then try again" : "")
    }
}
