import Glibc
public import LinuxSystem
public import MigrationModel

/// Where a test runs programs, other than beside itself.
public protocol Surroundings: Sendable {
    /// Makes a command run in here, with all that it starts.
    func enter(_ command: inout ChildProcess.Command)
}

/// A network of its own, such as a host has, deleted with the object (ip-netns(8)).
///
/// Needs root. The name carries the test's process id, so that what a crashed test left behind can
/// be told from what a running one uses.
public final class NetworkNamespace: Surroundings {
    /// The name that `ip netns` knows it by.
    public let name: String

    private static let prefix = "livemig"
    private static let folder = "/run/netns"

    /// Makes a namespace with its loopback interface up.
    /// - Throws: `E-PERMISSION` for a user who is not root.
    public init(_ role: String) throws(LivemigError) {
        guard geteuid() == 0 else {
            throw LivemigError(
                .permission, "network namespaces need root, this is user \(geteuid())",
                fix: "run the tests as root")
        }
        name = "\(Self.prefix)-\(getpid())-\(role)"
        try Self.ip(["netns", "add", name])
        try ip(["link", "set", "lo", "up"])
    }

    deinit { _ = try? Self.ip(["netns", "delete", name]) }

    /// Ends and deletes what tests that ended without cleaning up have left behind.
    public static func removeStale() throws(LivemigError) {
        for name in TreeListing.names(in: folder) {
            let parts = name.split(separator: "-")
            guard parts.count == 3, parts[0] == prefix, let owner = Int32(parts[1]),
                kill(owner, 0) != 0, errno == ESRCH
            else { continue }
            let processes = try ip(["netns", "pids", name]).split(whereSeparator: \.isWhitespace)
            for process in processes.compactMap({ Int32($0) }) { kill(process, SIGKILL) }
            try ip(["netns", "delete", name])
        }
    }

    /// Makes a command run in here, with all that it starts.
    public func enter(_ command: inout ChildProcess.Command) {
        command.arguments = ["netns", "exec", name, command.program] + command.arguments
        command.program = "/sbin/ip"
    }

    /// Runs `ip` in here.
    @discardableResult
    public func ip(_ arguments: [String]) throws(LivemigError) -> String {
        try Self.ip(["-netns", name] + arguments)
    }

    /// Lets a device send so many bits a second and no more (tc-tbf(8)).
    ///
    /// - Parameters:
    ///   - device: the device.
    ///   - rate: the limit, in the words of tc(8), such as `1mbit`.
    public func throttle(_ device: String, to rate: String) throws(LivemigError) {
        try Tool.run(
            "tc", package: "iproute2",
            [
                "-netns", name, "qdisc", "replace", "dev", device, "root", "tbf", "rate", rate,
                "burst", "16kb", "latency", "200ms",
            ])
    }

    /// Runs `bridge` in here.
    public func bridge(_ arguments: [String]) throws(LivemigError) -> String {
        try Tool.run("bridge", package: "iproute2", ["-netns", name] + arguments)
    }

    /// Runs `ip`.
    @discardableResult
    public static func ip(_ arguments: [String]) throws(LivemigError) -> String {
        try Tool.run("ip", package: "iproute2", arguments)
    }

    /// Runs code on a thread whose network this is (setns(2)).
    public func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(LivemigError) -> Value
    ) throws(LivemigError) -> Value {
        let file = "\(Self.folder)/\(name)"
        let thread = WorkerThread("namespace") {
            let namespace = try OwnedDescriptor.open(file, O_RDONLY)
            let number = namespace.number
            try SystemCall.check("setns", at: file) { Self.join(number) }
            return try body()
        }
        do {
            return try thread.join()
        } catch let error as LivemigError {
            throw error
        } catch {
            throw LivemigError(.internal, "\(error)")
        }
    }

    /// setns(2), which Swift's view of the C library leaves out.
    private static func join(_ namespace: CInt) -> CInt {
        typealias Function = @convention(c) (CInt, CInt) -> CInt
        guard let symbol = unsafe dlsym(nil, "setns") else { return -1 }
        let networkOnly: CInt = 0x4000_0000  // CLONE_NEWNET of linux/sched.h
        return unsafe unsafeBitCast(symbol, to: Function.self)(namespace, networkOnly)
    }
}
