import CLinux
import Glibc
import LinuxSystem
import MigrationModel

/// Why the kernel would not execute a file that has the mode for it: what execve(2) would say when it
/// is too late, and in words that tell the remedy.
struct ProgramFile {
    let path: String
    /// What errors are about.
    let code: ErrorCode

    /// How much of a file the kernel looks at (`BINPRM_BUF_SIZE`, linux/binfmts.h).
    private static let headLength = 256

    /// Reads the file's beginning; executes nothing.
    /// - Throws: an error of kind `code` that names the file.
    func requireExecutable() throws(LivemigError) {
        var system = statvfs()
        if unsafe statvfs(path, &system) == 0, system.f_flag & UInt(clinux_no_execution) != 0 {
            throw refusal(
                "its file system is mounted noexec", fix: "keep it on a file system without it")
        }
        let file = try OwnedDescriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, as: code)
        let head = try DescriptorIO.readAvailable(
            upTo: Self.headLength, from: file.number, at: path)
        if head.starts(with: [0x7F, 0x45, 0x4C, 0x46]) { return try requireMachine(head) }
        guard head.starts(with: Array("#!".utf8)) else {
            throw refusal(
                "it is neither a program nor a script",
                fix: "name its interpreter in the first line, after #!")
        }
        guard let end = head.firstIndex(of: UInt8(ascii: "\n")) else {
            guard head.count == Self.headLength else { return try check(head.dropFirst(2)) }
            throw refusal("its first line is longer than \(Self.headLength) bytes")
        }
        try check(head[2..<end])
    }

    /// Insists on the interpreter of a script.
    private func check(_ line: ArraySlice<UInt8>) throws(LivemigError) {
        guard !line.contains(UInt8(ascii: "\r")) else {
            throw refusal(
                "its first line ends in a carriage return, which is taken for a part of the name",
                fix: "convert its lines with sed -i 's/\\r$//'")
        }
        let words = String(decoding: line, as: UTF8.self).split { $0 == " " || $0 == "\t" }
            .map(String.init)
        guard let interpreter = words.first else {
            throw refusal("its first line names no interpreter")
        }
        try require(interpreter)
        guard interpreter.hasSuffix("/env"), let name = words.dropFirst().first,
            !name.hasPrefix("-"), !name.contains("="), !name.contains("/")
        else { return }
        let folders = LimitedProgram.searchPath.split(separator: ":")
        guard folders.contains(where: { unsafe access("\($0)/\(name)", X_OK) == 0 }) else {
            throw refusal(
                "its interpreter \(name.escaped()) is in no folder of \(LimitedProgram.searchPath)",
                fix: "install it, or name it by its path")
        }
    }

    private func require(_ interpreter: String) throws(LivemigError) {
        var status = stat()
        guard interpreter.hasPrefix("/"), unsafe stat(interpreter, &status) == 0,
            status.st_mode & S_IFMT == S_IFREG
        else {
            throw refusal(
                "its interpreter \(interpreter.escaped()) is not there",
                fix: "install it, or correct the first line")
        }
        guard unsafe access(interpreter, X_OK) == 0 else {
            throw refusal("its interpreter \(interpreter.escaped()) cannot be run")
        }
    }

    /// 32-bit programs that kernels of 64-bit machines may run as well, by their numbers (elf(5)).
    private static let olderMachines: [[UInt8]: [UInt8]] = [[62, 0]: [3, 0], [183, 0]: [40, 0]]

    /// A program for other processors has another machine in its header (elf(5)).
    private func requireMachine(_ head: [UInt8]) throws(LivemigError) {
        guard let own = try? OwnedDescriptor.open("/usr/bin/env", O_RDONLY),
            let other = try? DescriptorIO.readAvailable(upTo: 20, from: own.number),
            other.count == 20, head.count >= 20
        else { return }
        let (machine, ours) = (Array(head[18...19]), Array(other[18...19]))
        guard machine == ours || machine == Self.olderMachines[ours] else {
            throw refusal("it is a program for another kind of processor")
        }
    }

    private func refusal(_ what: String, fix: String = "") -> LivemigError {
        LivemigError(code, "the hook cannot be run: \(what)", at: path, fix: fix)
    }
}
