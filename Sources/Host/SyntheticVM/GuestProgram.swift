import Glibc
import GuestMemory
import Hypervisor
import LinuxSystem
import MigrationModel

/// The program `livemig-synthetic-guest`: one reference guest in a process of its own.
public enum GuestProgram {
    /// The file's name.
    public static let fileName = "livemig-synthetic-guest"

    /// Runs the guest that the arguments describe.
    ///
    /// - Parameter arguments: what `Options` understands, without the program's own name.
    /// - Returns: 0 when a client said quit. A failure ends the process with status 1 and a last
    ///   line on standard error.
    public static func run(_ arguments: [String]) -> Int32 {
        _ = signal(SIGPIPE, SIG_IGN)
        PrivateProcess.keepMemoryOutOfDumps()
        do {
            let options = try Options(arguments)
            let control = try start(options)
            try control.run()
            return 0
        } catch {
            fail(error)
        }
    }

    private static func start(_ options: Options) throws(LivemigError) -> GuestControl {
        let file = try GuestMemoryFile(adopting: OwnedDescriptor(owning: options.memory))
        let parameters = try WorkloadParameters(parsing: options.workload, memory: file.size)
        let console = try GuestConsole(log: options.consoleLog)
        let machine = GuestMachine(
            try GuestImage(file, parameters), console: console, vcpus: options.vcpus,
            mode: options.mode)
        if options.mode == .powerOn {
            console.print(
                "ready fill=\(parameters.fillPages) ws=\(parameters.workingSetPages) pages"
                    + " rate=\(parameters.rate.bytesPerSecond) heartbeat=0x0")
            try machine.resume()
        }
        if !options.consoleSocket.isEmpty {
            try console.serve(options.consoleSocket) { line in perform(line, machine, console) }
        }
        let control = try GuestControl(machine, parameters, socket: options.controlSocket)
        // The driver connects once it has read this byte: the socket is there then.
        let ready = OwnedDescriptor(owning: options.ready)
        try DescriptorIO.write([1], to: ready.number, at: "readiness pipe")
        return control
    }

    /// What is typed on the console.
    private static func perform(_ line: String, _ machine: GuestMachine, _ console: GuestConsole) {
        console.print("heard: \(line.escaped())")
        do {
            switch line {
            case "poweroff": try machine.powerOff()
            case "io-error": try machine.halt(.ioError)
            case "fail": try machine.halt(.failed)
            case "verify": console.print("verify \(try machine.verify().text)")
            default: break
            }
        } catch {
            console.print("\(error)")
        }
    }

    /// Ends the process with a last line on standard error.
    static func fail(_ error: LivemigError) -> Never {
        try? DescriptorIO.write(Array("\(fileName): \(error.explanation)\n".utf8), to: 2)
        exit(1)
    }

    /// The command line between driver and guest.
    struct Options: Hashable, Sendable {
        /// The descriptor that holds guest RAM.
        var memory: CInt = -1
        /// The descriptor of a pipe that gets one byte when the control socket listens.
        var ready: CInt = -1
        var controlSocket = ""
        var consoleSocket = ""
        var consoleLog = ""
        var vcpus = 1
        var mode = LaunchMode.powerOn
        /// The guest's kernel command line.
        var workload = ""

        init() {}

        init(_ arguments: [String]) throws(LivemigError) {
            var index = 0
            while index < arguments.count {
                guard index + 1 < arguments.count else {
                    throw LivemigError(.usage, "\(arguments[index].escaped()) has no value")
                }
                try set(arguments[index], to: arguments[index + 1])
                index += 2
            }
            guard memory >= 3, ready >= 3, !controlSocket.isEmpty, !consoleLog.isEmpty else {
                throw LivemigError(
                    .usage, "--memory, --ready, --control and --console-log are needed",
                    fix: "this program is started by livemig-agent")
            }
        }

        /// The arguments that say the same.
        var arguments: [String] {
            [
                "--memory", String(memory), "--ready", String(ready), "--control", controlSocket,
                "--console", consoleSocket, "--console-log", consoleLog, "--vcpus", String(vcpus),
                "--mode", mode == .incoming ? "incoming" : "power-on", "--workload", workload,
            ]
        }

        private mutating func set(_ option: String, to value: String) throws(LivemigError) {
            switch (option, value, Int(value)) {
            case ("--memory", _, .some(let number)): memory = CInt(clamping: number)
            case ("--ready", _, .some(let number)): ready = CInt(clamping: number)
            case ("--control", _, _): controlSocket = value
            case ("--console", _, _): consoleSocket = value
            case ("--console-log", _, _): consoleLog = value
            case ("--vcpus", _, .some(let number)) where (1...512).contains(number): vcpus = number
            case ("--mode", "incoming", _): mode = .incoming
            case ("--mode", "power-on", _): mode = .powerOn
            case ("--workload", _, _): workload = value
            default: throw LivemigError(.usage, "not understood: \(option) \(value.escaped())")
            }
        }
    }
}
